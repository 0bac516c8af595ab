/**
 * The version of this program, as in package.json (a test compares them): for $SYS, /metrics, logs
 * and --version.
 */

export const VERSION = "0.1.0";
