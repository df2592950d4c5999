// One charging session with the station's end of ocpp-rpc, which checks what it is answered (of 2.1 it has no schemas).
// Prints one line of JSON: what each answer said, and the CALLs that came from the management system.
const { createRequire } = require("node:module");

const [folder, endpoint, identity, protocol, token] = process.argv.slice(2);
const { RPCClient } = createRequire(folder + "/")("ocpp-rpc");

const now = () => new Date().toISOString();
const evse = { id: 1, connectorId: 1 };
const energy = (value, context) => [{ timestamp: now(), sampledValue: [{ value, context }] }];

const sessions = {
  "ocpp1.6": async (call) => {
    await call("BootNotification", { chargePointVendor: "node", chargePointModel: "ocpp-rpc" });
    await call("StatusNotification", { connectorId: 1, errorCode: "NoError", status: "Available" });
    await call("Authorize", { idTag: token });
    const start = { connectorId: 1, idTag: token, meterStart: 1000, timestamp: now() };
    const { transactionId } = await call("StartTransaction", start);
    await call("MeterValues", { connectorId: 1, transactionId, meterValue: energy("1500", "Sample.Periodic") });
    await call("StartTransaction", start);
    await call("StopTransaction", { transactionId, meterStop: 2000, timestamp: now() });
  },
  "ocpp2.x": async (call) => {
    const idToken = { idToken: token, type: "ISO14443" };
    const transactionInfo = { transactionId: require("node:crypto").randomUUID() };
    const event = (eventType, triggerReason, seqNo, value, context, more) =>
      call("TransactionEvent", {
        eventType, triggerReason, seqNo, timestamp: now(), transactionInfo, meterValue: energy(value, context), ...more,
      });
    await call("BootNotification", { reason: "PowerUp", chargingStation: { vendorName: "node", model: "ocpp-rpc" } });
    await call("StatusNotification", { timestamp: now(), connectorStatus: "Available", evseId: 1, connectorId: 1 });
    await call("Authorize", { idToken });
    await event("Started", "Authorized", 0, 1000, "Transaction.Begin", { idToken, evse });
    await event("Updated", "MeterValuePeriodic", 1, 1500, "Sample.Periodic");
    await event("Updated", "MeterValuePeriodic", 1, 1500, "Sample.Periodic");
    await event("Ended", "StopAuthorized", 2, 2000, "Transaction.End", { idToken });
  },
};

async function main() {
  const client = new RPCClient({ endpoint, identity, protocols: [protocol], strictMode: ["ocpp1.6", "ocpp2.0.1"], reconnect: false });
  const answers = [];
  const calls = [];
  client.handle(({ method }) => {
    calls.push(method);
    return { status: "Accepted" };
  });
  await client.connect();
  const call = async (method, params) => {
    const answer = await client.call(method, params);
    answers.push([method, answer.status ?? (answer.idTagInfo ?? answer.idTokenInfo ?? {}).status ?? null]);
    return answer;
  };
  await (sessions[protocol] ?? sessions["ocpp2.x"])(call);
  await client.call("Heartbeat", {});
  await client.close();
  console.log(JSON.stringify({ protocol: client.protocol, answers, calls }));
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
