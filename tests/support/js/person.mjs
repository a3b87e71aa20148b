// A person with Element's own SDK and its crypto: told what to do by lines of JSON, and telling what it sees by such lines.
// Usage: node person.mjs MODULES HOMESERVER USER PASSWORD [only]   «only»: trusts no device that its owner has not signed.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [modules, baseUrl, user, password, mode] = process.argv.slice(2);
const load = (path) => import(pathToFileURL(`${modules}/${path}`).href);
const sdk = await load("matrix-js-sdk/lib/index.js");
const cryptoApi = await load("matrix-js-sdk/lib/crypto-api/index.js");

// What the crypto logs goes elsewhere: this output is for what is told.
for (const way of ["log", "debug", "info", "warn"]) console[way] = () => {};
const quiet = { trace() {}, debug() {}, info() {}, warn() {}, error: (...words) => console.error(...words), getChild: () => quiet };
const say = (what) => process.stdout.write(JSON.stringify(what) + "\n");

// Keys that are held back as a bad connection would: who sends them takes them for sent.
const direct = globalThis.fetch;
let held = null;
globalThis.fetch = async (resource, options) => {
  if (held === null || !String(resource).includes("/sendToDevice/m.room.encrypted/")) return direct(resource, options);
  held.push([resource, { ...options, signal: undefined }]);
  return new Response("{}", { status: 200, headers: { "content-type": "application/json" } });
};
let stays = false;

const login = await sdk.createClient({ baseUrl, logger: quiet }).loginRequest({
  type: "m.login.password",
  identifier: { type: "m.id.user", user },
  password,
});
const client = sdk.createClient({
  baseUrl,
  userId: login.user_id,
  accessToken: login.access_token,
  deviceId: login.device_id,
  logger: quiet,
});
await client.initRustCrypto({ useIndexedDB: false });
const keys = client.getCrypto();
await keys.bootstrapCrossSigning({
  authUploadDeviceSigningKeys: (make) =>
    make({ type: "m.login.password", identifier: { type: "m.id.user", user }, password }),
});
if (mode === "only") keys.setDeviceIsolationMode(new cryptoApi.OnlySignedDevicesIsolationMode());

async function tell(event) {
  const info = event.isEncrypted() ? await keys.getEncryptionInfoForEvent(event) : null;
  say({
    saw: event.getType(),
    room: event.getRoomId(),
    id: event.getId(),
    sender: event.getSender(),
    encrypted: event.isEncrypted(),
    failure: event.isDecryptionFailure() ? String(event.decryptionFailureReason) : null,
    shield: info?.shieldColour ?? null,
    reason: info?.shieldReason ?? null,
    at: event.getTs(),
    content: event.getContent(),
  });
}

client.on(sdk.ClientEvent.Event, async (event) => {
  if (event.isState() && event.getType() !== "m.room.encryption") return;
  if (event.isEncrypted()) {
    await client.decryptEventIfNeeded(event);
    // Its key may come later, and be tried in vain before.
    if (event.isDecryptionFailure()) {
      event.on(sdk.MatrixEventEvent.Decrypted, () => event.isDecryptionFailure() || tell(event));
    }
  }
  await tell(event);
});
client.on(sdk.RoomMemberEvent.Membership, async (_, member) => {
  if (!stays && member.userId === login.user_id && member.membership === "invite") await client.joinRoom(member.roomId);
});

async function download(file) {
  const answer = await fetch(client.mxcUrlToHttp(file.url, undefined, undefined, undefined, true, true, true), {
    headers: { authorization: `Bearer ${client.getAccessToken()}` },
  });
  return Buffer.from(await answer.arrayBuffer());
}

const base64 = (bytes) => Buffer.from(bytes).toString("base64");
const plainBase64 = (bytes) => base64(bytes).replace(/=+$/, "");

// Attachments by the client-server API's own words: AES-CTR with SHA-256 over what is uploaded.
async function seal(bytes) {
  const key = await crypto.subtle.generateKey({ name: "AES-CTR", length: 256 }, true, ["encrypt", "decrypt"]);
  const counter = new Uint8Array(16);
  crypto.getRandomValues(counter.subarray(0, 8));
  const sealed = await crypto.subtle.encrypt({ name: "AES-CTR", counter, length: 64 }, key, bytes);
  const hash = await crypto.subtle.digest("SHA-256", sealed);
  const { content_uri: url } = await client.uploadContent(Buffer.from(sealed), { type: "application/octet-stream" });
  const jwk = await crypto.subtle.exportKey("jwk", key);
  return { url, v: "v2", key: jwk, iv: plainBase64(counter), hashes: { sha256: plainBase64(hash) } };
}

async function open(file) {
  const sealed = await download(file);
  const hash = await crypto.subtle.digest("SHA-256", sealed);
  if (plainBase64(hash) !== file.hashes.sha256) throw new Error("the hash of the file is another");
  const key = await crypto.subtle.importKey("jwk", file.key, { name: "AES-CTR" }, false, ["decrypt"]);
  const counter = Buffer.from(file.iv, "base64");
  return Buffer.from(await crypto.subtle.decrypt({ name: "AES-CTR", counter, length: 64 }, key, sealed));
}

const deeds = {
  direct: async ({ user }) => {
    const { room_id: room } = await client.createRoom({
      preset: "trusted_private_chat",
      is_direct: true,
      invite: [user],
      initial_state: [{ type: "m.room.encryption", state_key: "", content: { algorithm: "m.megolm.v1.aes-sha2" } }],
    });
    return { room };
  },
  send: async ({ room, content }) => ({ id: (await client.sendMessage(room, content)).event_id }),
  encrypt: async ({ room }) =>
    client.sendStateEvent(room, "m.room.encryption", { algorithm: "m.megolm.v1.aes-sha2" }, ""),
  react: async ({ room, id, key }) =>
    client.sendEvent(room, "m.reaction", { "m.relates_to": { rel_type: "m.annotation", event_id: id, key } }),
  hold: async () => void (held = []),
  release: async () => {
    const all = held;
    held = null;
    for (const [resource, options] of all) await direct(resource, options);
    return { count: all.length };
  },
  stay: async () => void (stays = true),
  join: async ({ room }) => void (await client.joinRoom(room)),
  rotate: async ({ room }) => keys.forceDiscardSession(room),
  file: async ({ room, name, type, bytes }) => {
    const file = await seal(Buffer.from(bytes, "base64"));
    const content = { msgtype: type, body: name, filename: name, file, info: { size: Buffer.from(bytes, "base64").length } };
    return { id: (await client.sendMessage(room, content)).event_id };
  },
  open: async ({ file }) => ({ bytes: base64(await open(file)) }),
};

createInterface({ input: process.stdin }).on("line", async (line) => {
  const order = JSON.parse(line);
  try {
    say({ done: order.number, answer: (await deeds[order.do](order)) ?? {} });
  } catch (error) {
    say({ done: order.number, error: String(error) });
  }
}).on("close", () => process.exit(0));

await client.startClient({ initialSyncLimit: 50 });
client.once(sdk.ClientEvent.Sync, () => say({ ready: login.user_id, device: login.device_id }));
