/**
 * The cases that mosquitto 2.0.11 does not pass, with the reason: what it lets through, what it
 * gets wrong, and where the specification leaves a choice that it makes differently. Used only with
 * RATATOSK_REFERENCE=mosquitto.
 */

const LENIENT = "mosquitto lets this through";
const WRONG = "mosquitto departs from the specification";
const CHOICE = "the specification leaves a choice, and mosquitto makes another one";
const NO_SETTING = "mosquitto has no setting for this";

export const REFERENCE_DIFFERS: ReadonlyMap<string, string> = new Map([
  ["strings: noncharacters and control characters are let through [MQTT-1.5.4-1]", CHOICE],
  ["variable byte integer: a longer form than needed ends the connection [MQTT-1.5.5-1]", LENIENT],
  ["fixed header: reserved flags of PUBACK end the connection [MQTT-2.1.3-1]", LENIENT],
  ["fixed header: reserved flags of PUBREC end the connection [MQTT-2.1.3-1]", LENIENT],
  ["fixed header: reserved flags of PUBCOMP end the connection [MQTT-2.1.3-1]", LENIENT],
  ["fixed header: reserved flags of PINGREQ end the connection [MQTT-2.1.3-1]", LENIENT],
  ["fixed header: SUBACK from a client ends the connection [MQTT-4.13.1-1]", LENIENT],
  ["fixed header: UNSUBACK from a client ends the connection [MQTT-4.13.1-1]", LENIENT],
  ["fixed header: PINGRESP from a client ends the connection [MQTT-4.13.1-1]", LENIENT],
  ["properties: a value out of its range ends the connection [MQTT-4.13.1-1]", LENIENT],
  ["CONNECT: Will Flag without will fields is refused [MQTT-3.1.2-9]", LENIENT],
  ["CONNECT: user name without its flag is refused [MQTT-3.1.2-16]", LENIENT],
  ["CONNECT: password without its flag is refused [MQTT-3.1.2-18]", LENIENT],
  ["CONNECT: bytes behind the payload is refused [MQTT-3.1.4-1]", LENIENT],
  ["CONNECT: a will topic with wildcards is refused [MQTT-3.1.3-11]", LENIENT],
  ["CONNECT: an empty will topic is refused [MQTT-4.7.3-1]", LENIENT],
  ["CONNECT: problem information 2 is refused [MQTT5 §3.1.2.11.7]", LENIENT],
  ["CONNECT: response information 2 is refused [MQTT5 §3.1.2.11.6]", LENIENT],
  ["CONNECT: authentication data without a method is refused [MQTT5 §3.1.2.11.10]", LENIENT],
  ["CONNECT: a second connection of the same client takes over [MQTT-3.1.4-3]", WRONG],
  ["keep alive: silence over one and a half times closes the connection [MQTT-3.1.2-22]", CHOICE],
  ["keep alive: a client that lets it lapse has its will published [MQTT-3.1.2-8]", CHOICE],
  ["maximum packet size: the limit is exact [MQTT-3.1.2-24]", WRONG],
  ["maximum packet size: dropped messages do not use up the window [MQTT-3.1.2-25]", WRONG],
  ["receive maximum: exceeding the server's ends the connection with 0x93 [MQTT-3.3.4-7]", CHOICE],
  ["will delay: without session expiry the will comes at once [MQTT-3.1.2-8]", WRONG],
  ["will delay: clean start ends the session and publishes the will [MQTT-3.1.2-8]", WRONG],
  ["CONNACK: announces what the server does not offer [MQTT-3.2.2-9]", NO_SETTING],
  ["SUBSCRIBE: wildcards are refused with 0xA2 where not offered [MQTT5 §3.9.3]", NO_SETTING],
  [
    "SUBSCRIBE: shared subscriptions are refused with 0x9E where not offered [MQTT5 §3.9.3]",
    NO_SETTING,
  ],
  [
    "SUBSCRIBE: subscription identifiers are refused with 0xA1 where not offered [MQTT5 §3.9.3]",
    NO_SETTING,
  ],
  [
    "PUBLISH: a topic alias above the server's maximum ends the connection with 0x94 [MQTT-3.3.2-9] [MQTT-3.2.2-17]",
    NO_SETTING,
  ],
  ["receive maximum: the server keeps within the client's [MQTT-3.3.4-9] [MQTT-4.9.0-2]", WRONG],
  ["PUBLISH: DUP with QoS 0 ends the connection [MQTT-3.3.1-2]", LENIENT],
  ["PUBLISH: a subscription identifier from a client ends the connection [MQTT-3.3.4-6]", LENIENT],
  ["PUBLISH: a response topic with wildcards ends the connection [MQTT-3.3.2-14]", LENIENT],
  ["PUBLISH: a payload that says it is UTF-8 and is not is refused [MQTT5 §3.3.2.3.2]", CHOICE],
  ["retain: not sent to a new shared subscription [MQTT5 §4.8.2]", WRONG],
  [
    "PUBREL: an unknown packet identifier is answered by PUBCOMP 0x92 [MQTT-3.7.2-1] [MQTT-4.3.3-11]",
    CHOICE,
  ],
  ["PUBREC: an unknown packet identifier is answered by PUBREL 0x92 [MQTT-3.6.2-1]", CHOICE],
  ["PUBACK: a reason code that it may not carry ends the connection [MQTT-3.4.2-1]", LENIENT],
  ["PUBREC: a reason code that it may not carry ends the connection [MQTT-3.5.2-1]", LENIENT],
  ["PUBREL: a reason code that it may not carry ends the connection [MQTT-3.6.2-1]", LENIENT],
  ["PUBCOMP: a reason code that it may not carry ends the connection [MQTT-3.7.2-1]", LENIENT],
  ["acknowledgements: MQTT 3.1.1 ones have two bytes only [MQTT-4.13.1-1]", LENIENT],
  [
    "acknowledgements: the server's fit the client's maximum packet size [MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3]",
    CHOICE,
  ],
  ["SUBSCRIBE: without a filter ends the connection [MQTT-3.8.3-2]", LENIENT],
  ["no local: on a shared subscription ends the connection [MQTT-3.8.3-4]", LENIENT],
  ["UNSUBSCRIBE: without a filter ends the connection [MQTT-3.10.3-2]", LENIENT],
  ["PINGREQ: with a payload ends the connection [MQTT-4.13.1-1]", LENIENT],
  [
    "QoS 2: a PUBLISH repeated before PUBREL is acknowledged again and delivered once, MQTT 3.1.1 [MQTT-4.3.3-10] [MQTT-4.3.3-8]",
    WRONG,
  ],
  [
    "QoS 2: a PUBLISH repeated before PUBREL is acknowledged again and delivered once, MQTT 5 [MQTT-4.3.3-10] [MQTT-4.3.3-8]",
    WRONG,
  ],
  [
    "redelivery: message expiry does not end an exchange that has begun [MQTT-4.3.3-7] [MQTT-4.3.3-13]",
    WRONG,
  ],
  ['shared: filter "$share//a" is refused [MQTT-4.8.2-1] [MQTT-4.8.2-2]', LENIENT],
  ['shared: filter "$share/g/" is refused [MQTT-4.8.2-1] [MQTT-4.8.2-2]', LENIENT],
  ['shared: filter "$share/+/a" is refused [MQTT-4.8.2-1] [MQTT-4.8.2-2]', LENIENT],
  ['shared: filter "$share/g" is refused [MQTT-4.8.2-1] [MQTT-4.8.2-2]', LENIENT],
  ['shared: filter "$share/" is refused [MQTT-4.8.2-1] [MQTT-4.8.2-2]', LENIENT],
  [
    "CONNACK: a refusal leaves out its reason string to fit the client's limit [MQTT-3.2.2-19] [MQTT-3.2.2-20] [MQTT-3.2.2-7]",
    CHOICE,
  ],
  [
    "PUBREL: the server's fits the client's maximum packet size [MQTT-3.6.2-2] [MQTT-3.6.2-3]",
    CHOICE,
  ],
]);
