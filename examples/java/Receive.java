// A recipient (通知先) in Java 17 behind a webhook: verifies, opens, applies, reports. One file, run as it is:
//
//   java -cp /usr/share/java/gson.jar examples/java/Receive.java           (Debian: libgoogle-gson-java)
//   java -cp /usr/share/java/gson.jar examples/java/Receive.java vectors.json   verifies the published test vectors
//
// Order, and why: look -> open -> journal, synced -> answer 204 -> report. A crash at any point leaves either nothing (the
// instruction comes again) or lines in the journal (the report is sent after the restart). Reports are signed once and kept,
// so that a repeat has the same bytes and gets the first answer.
//
// Signatures, X25519, HMAC and AES-GCM are the JDK's; HPKE is put together from them (RFC 9180, base mode) because the JDK has
// no HPKE and Debian packages no library with it. Where you may use Maven, take Bouncy Castle's org.bouncycastle.crypto.hpke.
//
// Settings, from the environment:
//   MADOGUCHI_RECIPIENT       the id that the desk gave to you
//   MADOGUCHI_REPORT_KEY      Ed25519, 32 secret bytes in base64
//   MADOGUCHI_SEALING_KEY     X25519, 32 secret bytes in base64
//   MADOGUCHI_BOOKS           the journal's file
//   MADOGUCHI_WEBHOOK_SECRET  whsec_...   shared secrets, separated by spaces while one is changed
//   MADOGUCHI_WEBHOOK_PUBLIC  whpk_...    public keys of the desk, the same way; optional
//   MADOGUCHI_DESK            https://... the partner API, where reports go
//   MADOGUCHI_LISTEN          127.0.0.1:8080
//   MADOGUCHI_OWN_HASHES      only where the contract says keyed hashes: a file with the hashes of your own rows, one `rule hash`
//                             a line, made by the gate's rules under your gate key when the rows came in
//   MADOGUCHI_RECONCILE_SECONDS  how often the books are compared; a day if it is not set

import com.google.gson.Gson;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.math.BigInteger;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyPairGenerator;
import java.security.MessageDigest;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.interfaces.EdECPublicKey;
import java.security.interfaces.XECPublicKey;
import java.security.spec.EdECPrivateKeySpec;
import java.security.spec.NamedParameterSpec;
import java.security.spec.X509EncodedKeySpec;
import java.security.spec.XECPrivateKeySpec;
import java.security.spec.XECPublicKeySpec;
import java.time.Duration;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.UUID;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.Mac;
import javax.crypto.spec.GCMParameterSpec;
import javax.crypto.spec.SecretKeySpec;

import static java.nio.charset.StandardCharsets.UTF_8;

public final class Receive {
    static final int BODY_MAX = 64 * 1024;
    static final long TOLERANCE = 300;
    static final String INSTRUCTION = "jp.madoguchi.recipient.instruction.v1";
    static final String TEST = "jp.madoguchi.recipient.test.v1";
    static final String TYP = "madoguchi-report-v1+jws";
    static final Gson GSON = new Gson();

    /** Not for this recipient, or not to be opened: never applied; call the desk. */
    static final class Refused extends Exception {
        Refused(String why) {
            super(why);
        }
    }

    /** Not an instruction. */
    static final class Malformed extends Exception {
        Malformed(String why) {
            super(why);
        }
    }

    // ---- keys ------------------------------------------------------------------------------------------------------

    /** Random bytes that are given: the JDK derives a public key only while it makes a pair. */
    static final class Given extends SecureRandom {
        private final byte[] bytes;

        Given(byte[] bytes) {
            this.bytes = bytes;
        }

        @Override
        public void nextBytes(byte[] out) {
            System.arraycopy(bytes, 0, out, 0, out.length);
        }
    }

    static PublicKey publicOf(String curve, byte[] secret) throws GeneralSecurityException {
        var pair = KeyPairGenerator.getInstance(curve);
        pair.initialize(new NamedParameterSpec(curve), new Given(secret));
        return pair.generateKeyPair().getPublic();
    }

    static byte[] littleEndian(BigInteger number) {
        byte[] big = number.toByteArray(), out = new byte[32];
        for (int i = 0; i < big.length && i < 32; i++) out[i] = big[big.length - 1 - i];
        return out;
    }

    /** The 32 bytes of a public key, as RFC 8032 and RFC 7748 write them. */
    static byte[] raw(PublicKey key) {
        if (key instanceof XECPublicKey x) return littleEndian(x.getU());
        var point = ((EdECPublicKey) key).getPoint();
        byte[] out = littleEndian(point.getY());
        if (point.isXOdd()) out[31] |= (byte) 0x80;
        return out;
    }

    static PublicKey ed25519(byte[] raw) throws GeneralSecurityException {
        byte[] spki = HexFormat.of().parseHex("302a300506032b6570032100" + HexFormat.of().formatHex(raw));
        return KeyFactory.getInstance("Ed25519").generatePublic(new X509EncodedKeySpec(spki));
    }

    static boolean verifies(PublicKey key, byte[] content, byte[] signature) {
        try {
            var verifier = Signature.getInstance("Ed25519");
            verifier.initVerify(key);
            verifier.update(content);
            return verifier.verify(signature);
        } catch (GeneralSecurityException notASignature) {
            return false;
        }
    }

    static byte[] sha256(byte[] bytes) throws GeneralSecurityException {
        return MessageDigest.getInstance("SHA-256").digest(bytes);
    }

    static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    /** The first 8 bytes of the SHA-256 of the key's bytes, in hexadecimal. */
    static String keyId(byte[] raw) throws GeneralSecurityException {
        return hex(sha256(raw)).substring(0, 16);
    }

    static byte[] hmac(byte[] key, byte[]... parts) throws GeneralSecurityException {
        var mac = Mac.getInstance("HmacSHA256");
        // RFC 2104: no key is a key of noughts, which the JDK does not take as empty.
        mac.init(new SecretKeySpec(key.length == 0 ? new byte[32] : key, "HmacSHA256"));
        for (byte[] part : parts) mac.update(part);
        return mac.doFinal();
    }

    static byte[] join(byte[]... parts) {
        var out = new ByteArrayOutputStream();
        for (byte[] part : parts) out.writeBytes(part);
        return out.toByteArray();
    }

    /** HPKE (RFC 9180), base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, AES-256-GCM; one message. */
    static final class Hpke {
        static final byte[] KEM = join("KEM".getBytes(UTF_8), new byte[] {0, 0x20});
        static final byte[] SUITE = join("HPKE".getBytes(UTF_8), new byte[] {0, 0x20, 0, 1, 0, 2});
        static final byte[] V1 = "HPKE-v1".getBytes(UTF_8);
        static final byte[] NONE = {};

        static byte[] extract(byte[] suite, byte[] salt, String label, byte[] input) throws GeneralSecurityException {
            return hmac(salt, V1, suite, label.getBytes(UTF_8), input);
        }

        /** At most 32 bytes: one block of HKDF-Expand. */
        static byte[] expand(byte[] suite, byte[] key, String label, byte[] info, int length)
                throws GeneralSecurityException {
            byte[] size = {(byte) (length >> 8), (byte) length};
            return Arrays.copyOf(hmac(key, size, V1, suite, label.getBytes(UTF_8), info, new byte[] {1}), length);
        }

        static byte[] open(PrivateKey key, byte[] mine, byte[] enc, byte[] text, byte[] info, byte[] aad)
                throws GeneralSecurityException {
            byte[] big = new byte[32];
            for (int i = 0; i < 32; i++) big[i] = enc[31 - i];
            big[0] &= 0x7f;
            var sender = KeyFactory.getInstance("X25519")
                    .generatePublic(new XECPublicKeySpec(NamedParameterSpec.X25519, new BigInteger(1, big)));
            var agreement = KeyAgreement.getInstance("X25519");
            agreement.init(key);
            agreement.doPhase(sender, true);
            byte[] prk = extract(KEM, NONE, "eae_prk", agreement.generateSecret());
            byte[] shared = expand(KEM, prk, "shared_secret", join(enc, mine), 32);
            byte[] context = join(new byte[] {0}, extract(SUITE, NONE, "psk_id_hash", NONE), extract(SUITE, NONE, "info_hash", info));
            byte[] secret = extract(SUITE, shared, "secret", NONE);
            var cipher = Cipher.getInstance("AES/GCM/NoPadding");
            var aes = new SecretKeySpec(expand(SUITE, secret, "key", context, 32), "AES");
            cipher.init(Cipher.DECRYPT_MODE, aes, new GCMParameterSpec(128, expand(SUITE, secret, "base_nonce", context, 12)));
            cipher.updateAAD(aad);
            return cipher.doFinal(text);
        }
    }

    static final class Keys {
        final PrivateKey report, sealing;
        final byte[] reportPublic, sealingPublic;

        Keys(byte[] report, byte[] sealing) throws GeneralSecurityException {
            this.report = KeyFactory.getInstance("Ed25519").generatePrivate(new EdECPrivateKeySpec(NamedParameterSpec.ED25519, report));
            this.sealing = KeyFactory.getInstance("X25519").generatePrivate(new XECPrivateKeySpec(NamedParameterSpec.X25519, sealing));
            this.reportPublic = raw(publicOf("Ed25519", report));
            this.sealingPublic = raw(publicOf("X25519", sealing));
        }

        byte[] sign(byte[] content) throws GeneralSecurityException {
            var signer = Signature.getInstance("Ed25519");
            signer.initSign(report);
            signer.update(content);
            return signer.sign();
        }

        /** A compact JWS (RFC 7515) whose header is exactly alg, kid and typ. */
        String jws(JsonObject payload) throws GeneralSecurityException {
            var header = new JsonObject();
            header.addProperty("alg", "EdDSA");
            header.addProperty("kid", keyId(reportPublic));
            header.addProperty("typ", TYP);
            var url = Base64.getUrlEncoder().withoutPadding();
            var signed = url.encodeToString(GSON.toJson(header).getBytes(UTF_8)) + "."
                    + url.encodeToString(GSON.toJson(payload).getBytes(UTF_8));
            return signed + "." + url.encodeToString(sign(signed.getBytes(UTF_8)));
        }

        /** One version byte 1, 32 bytes of encapsulated key, ciphertext; bound to the instruction's id. */
        JsonObject open(String instruction, byte[] sealed) throws Refused {
            if (sealed.length < 33 || sealed[0] != 1) throw new Refused("not sealed in version 1");
            byte[] enc = Arrays.copyOfRange(sealed, 1, 33), text = Arrays.copyOfRange(sealed, 33, sealed.length);
            var id = UUID.fromString(instruction);
            byte[] aad = ByteBuffer.allocate(16).putLong(id.getMostSignificantBits()).putLong(id.getLeastSignificantBits()).array();
            try {
                byte[] plain = Hpke.open(sealing, sealingPublic, enc, text, "madoguchi seal v1".getBytes(UTF_8), aad);
                return JsonParser.parseString(new String(plain, UTF_8)).getAsJsonObject();
            } catch (GeneralSecurityException | RuntimeException why) {
                throw new Refused("the identifiers do not open with this key");
            }
        }
    }

    // ---- webhook: Standard Webhooks 1.0.0 ---------------------------------------------------------------------------

    static final class Webhook {
        final List<byte[]> secrets = new ArrayList<>();
        final List<PublicKey> keys = new ArrayList<>();

        Webhook(String secrets, String keys) throws GeneralSecurityException {
            for (var text : words(secrets)) this.secrets.add(Base64.getDecoder().decode(text.replaceFirst("^whsec_", "")));
            for (var text : words(keys)) this.keys.add(ed25519(Base64.getDecoder().decode(text.replaceFirst("^whpk_", ""))));
        }

        static List<String> words(String text) {
            return Arrays.stream(text.split(" ")).filter(word -> !word.isEmpty()).toList();
        }

        /** `v1` by a shared secret, and by a public key of the desk `v1a` too, where one is set; both by the same clock. */
        boolean believes(String id, String timestamp, String signatures, byte[] body, long now) throws GeneralSecurityException {
            if (id == null || timestamp == null || signatures == null || !timestamp.matches("[0-9]{1,12}")) return false;
            if (Math.abs(Long.parseLong(timestamp) - now) > TOLERANCE) return false;
            byte[] content = join((id + "." + timestamp + ".").getBytes(UTF_8), body);
            boolean shared = false, proved = keys.isEmpty();
            for (var part : words(signatures)) {
                int comma = part.indexOf(',');
                if (comma < 0) continue;
                byte[] signature;
                try {
                    signature = Base64.getDecoder().decode(part.substring(comma + 1));
                } catch (IllegalArgumentException notBase64) {
                    continue;
                }
                if (part.startsWith("v1,")) {
                    for (var secret : secrets) shared |= MessageDigest.isEqual(hmac(secret, content), signature);
                } else if (part.startsWith("v1a,")) {
                    for (var key : keys) proved |= verifies(key, content, signature);
                }
            }
            return shared && proved;
        }
    }

    // ---- the recipient ----------------------------------------------------------------------------------------------

    /** What stands for one register entry. */
    record Standing(long version, String measure, String scope) {}

    final String me;
    final Keys keys;
    final FileChannel journal;
    final Set<String> seen = new HashSet<>();
    final TreeMap<String, Standing> stopped = new TreeMap<>();
    final Map<Long, TreeSet<Long>> positions = new HashMap<>();
    final List<String> open = new ArrayList<>();
    /** `rule hash` of the own rows; empty where the contract says sealed identifiers. */
    final Set<String> own;

    Receive(String me, Keys keys, Path path, Set<String> own) throws IOException {
        this.me = me;
        this.keys = keys;
        this.own = own;
        byte[] text = Files.exists(path) ? Files.readAllBytes(path) : new byte[0];
        // A line that a crash cut off was never acknowledged: it comes again.
        int whole = text.length;
        while (whole > 0 && text[whole - 1] != '\n') whole--;
        for (var line : new String(text, 0, whole, UTF_8).split("\n")) {
            if (!line.isEmpty()) note(JsonParser.parseString(line).getAsJsonObject());
        }
        journal = FileChannel.open(path, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
        journal.truncate(whole).position(whole);
    }

    private void note(JsonObject line) {
        if (line.has("answered")) {
            open.remove(line.get("answered").getAsString());
            return;
        }
        seen.add(line.get("taken").getAsString());
        for (JsonElement report : line.getAsJsonArray("reports")) open.add(report.getAsString());
        if (!line.has("entry")) return;
        positions.computeIfAbsent(line.get("epoch").getAsLong(), epoch -> new TreeSet<>()).add(line.get("position").getAsLong());
        if (line.get("applied").getAsBoolean()) {
            var standing = new Standing(line.get("version").getAsLong(), line.get("measure").getAsString(), line.get("scope").getAsString());
            stopped.put(line.get("entry").getAsString(), standing);
        }
    }

    private void write(JsonObject line) throws IOException {
        journal.write(ByteBuffer.wrap((GSON.toJson(line) + "\n").getBytes(UTF_8)));
        journal.force(false);
        note(line);
    }

    /** Takes the instruction's bytes exactly as received: `new`, `stale`, `repeat` or `test`. Returns when it is written down. */
    synchronized String take(byte[] body) throws Refused, Malformed, IOException, GeneralSecurityException {
        JsonObject event, data;
        String type;
        try {
            event = JsonParser.parseString(new String(body, UTF_8)).getAsJsonObject();
            type = event.get("type").getAsString();
            data = event.getAsJsonObject("data");
            if (!event.get("specversion").getAsString().equals("1.0")) throw new Malformed("not a CloudEvent 1.0");
            if (!type.equals(INSTRUCTION) && !type.equals(TEST)) throw new Malformed("not an instruction");
            // The audience stands inside what is signed: an instruction that strayed is seen as such.
            if (!data.get("audience").getAsString().equals(me) || !event.get("subject").getAsString().equals(me)) {
                throw new Refused("for another recipient");
            }
            return take(body, event.get("id").getAsString(), data, type.equals(TEST));
        } catch (JsonParseException | NullPointerException | IllegalStateException | ClassCastException | IllegalArgumentException why) {
            throw new Malformed("not an instruction");
        }
    }

    private String take(byte[] body, String id, JsonObject data, boolean test)
            throws Refused, IOException, GeneralSecurityException {
        if (seen.contains(id)) return test ? "test" : "repeat";
        var person = person(id, data);
        var line = new JsonObject();
        line.addProperty("taken", id);
        var reports = new JsonArray();
        var received = report(id, body);
        received.addProperty("stage", "received");
        reports.add(keys.jws(received));
        line.add("reports", reports);
        if (test) {
            // The desk tries the endpoint before it is used, about an invented person: nothing is applied, and the answer shows
            // that this recipient verified, opened, and reports.
            write(line);
            return "test";
        }
        long version = data.get("entry_version").getAsLong();
        var entry = data.get("entry").getAsString();
        var measure = data.get("measure").getAsString();
        var known = stopped.get(entry);
        boolean applied = known == null || known.version() < version;
        // A later version takes the place of what this one says of the entry, but never of an erasure.
        boolean acts = applied || measure.equals("erase");
        if (acts) {
            apply(person, data);
            ownRow(data).ifPresent(rule -> System.out.println("a row of ours is stopped by " + rule));
        }
        var done = report(id, body);
        done.addProperty("stage", "reported");
        done.addProperty("outcome", "applied");
        if (measure.equals("erase")) erased(done, data);
        reports.add(keys.jws(done));
        for (var name : List.of("epoch", "position", "entry", "measure", "scope")) line.add(name, data.get(name));
        line.addProperty("version", version);
        line.addProperty("applied", applied);
        write(line);
        return acts ? "new" : "stale";
    }

    /** The identifiers; empty where the contract says keyed hashes: there is nothing to open then. */
    private JsonObject person(String id, JsonObject data) throws Refused, GeneralSecurityException {
        if (data.has("hashes")) return new JsonObject();
        if (!data.get("sealed_to").getAsString().equals(keyId(keys.sealingPublic))) throw new Refused("sealed to another key");
        return keys.open(id, Base64.getDecoder().decode(data.get("person").getAsString()));
    }

    /** By contract there are keyed hashes instead of names: whoever has one in common is meant, or may be. By which rule. */
    private Optional<String> ownRow(JsonObject data) {
        if (!data.has("hashes")) return Optional.empty();
        for (var one : data.getAsJsonObject("hashes").getAsJsonArray("keys")) {
            var key = one.getAsJsonObject();
            var rule = key.get("rule").getAsString();
            if (own.contains(rule + " " + key.get("hash").getAsString())) return Optional.of(rule);
        }
        return Optional.empty();
    }

    private JsonObject report(String instruction, byte[] body) throws GeneralSecurityException {
        var report = new JsonObject();
        report.addProperty("instruction", instruction);
        report.addProperty("recipient", me);
        report.addProperty("digest", hex(sha256(body)));
        report.addProperty("time", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString());
        return report;
    }

    /** What goes is in `classes`, what must stay in `keep`: this example holds none of the latter, and no backups. */
    private static void erased(JsonObject report, JsonObject data) {
        report.addProperty("book_entry", "book-" + data.get("position").getAsLong());
        var where = new JsonObject();
        where.addProperty("system", "example");
        where.addProperty("on", report.get("time").getAsString().substring(0, 10));
        where.addProperty("method", "overwritten");
        where.add("items", data.getAsJsonObject("erase").get("classes"));
        where.addProperty("no_backups", true);
        var kept = new JsonArray();
        kept.add("none-held");
        where.add("kept", kept);
        var erasures = new JsonArray();
        erasures.add(where);
        report.add("erasures", erasures);
    }

    /**
     * Here your own system stops using what it holds of this person, whatever the measure: suspend also leaves current builds
     * alone until resume or erase, and resume lifts no stop. With `erase.everything` your certification has ended: all that was
     * entrusted goes, and the person is empty. It may be called twice after a crash.
     */
    void apply(JsonObject person, JsonObject data) {}

    synchronized List<String> openReports() {
        return List.copyOf(open);
    }

    synchronized void answered(String jws, JsonObject answer) throws IOException {
        var line = new JsonObject();
        line.addProperty("answered", jws);
        write(line);
        if (answer.get("result").getAsString().equals("refused")) System.err.println("the desk refused a report: " + answer.get("reason"));
    }

    /** Cursor, digest and count of what stands, to compare with the desk's; empty while a position is missing. */
    synchronized Optional<String> books() throws GeneralSecurityException {
        var epoch = positions.keySet().stream().max(Long::compare);
        if (epoch.isEmpty() || positions.get(epoch.get()).last() != positions.get(epoch.get()).size()) return Optional.empty();
        var lines = new StringBuilder();
        stopped.forEach((entry, s) -> lines.append(entry + " " + s.version() + " " + s.measure() + " " + s.scope() + "\n"));
        var cursor = epoch.get() + "." + positions.get(epoch.get()).last();
        return Optional.of("cursor=" + cursor + "&digest=" + hex(sha256(lines.toString().getBytes(UTF_8))) + "&entries=" + stopped.size());
    }

    // ---- the desk ----------------------------------------------------------------------------------------------------

    static final HttpClient HTTP = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();

    /** Sends a signed report; the desk's answer, or nothing: send the same bytes again later. */
    static Optional<JsonObject> send(String desk, String jws) throws InterruptedException {
        try {
            var request = HttpRequest.newBuilder(URI.create(desk + "/partner/v1/reports")).timeout(Duration.ofSeconds(30))
                    .header("content-type", "application/jose").POST(HttpRequest.BodyPublishers.ofString(jws)).build();
            var response = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
            if (response.statusCode() >= 500 || response.statusCode() == 429) return Optional.empty();
            return Optional.of(JsonParser.parseString(response.body()).getAsJsonObject());
        } catch (IOException | JsonParseException | IllegalStateException away) {
            return Optional.empty();
        }
    }

    /** A request that is signed with the report key: who, when, method, path with query, with line feeds between. */
    JsonObject ask(String desk, String method, String path) throws IOException, InterruptedException, GeneralSecurityException {
        var at = Long.toString(Instant.now().getEpochSecond());
        var lines = String.join("\n", "madoguchi-request-v1", me, at, method, path);
        var proof = keyId(keys.reportPublic) + "," + Base64.getEncoder().encodeToString(keys.sign(lines.getBytes(UTF_8)));
        var request = HttpRequest.newBuilder(URI.create(desk + path)).timeout(Duration.ofSeconds(60))
                .header("madoguchi-recipient", me).header("madoguchi-timestamp", at).header("madoguchi-signature", proof)
                .method(method, HttpRequest.BodyPublishers.noBody()).build();
        var response = HTTP.send(request, HttpResponse.BodyHandlers.ofString());
        if (response.statusCode() != 200) throw new IOException("the desk answers " + response.statusCode());
        return JsonParser.parseString(response.body()).getAsJsonObject();
    }

    /** Whether the books agree. What is missing is fetched from the pull feed by another program of yours, or comes again. */
    Optional<Boolean> compare(String desk) throws IOException, InterruptedException, GeneralSecurityException {
        var books = books();
        if (books.isEmpty()) return Optional.empty();
        return Optional.of(ask(desk, "POST", "/partner/v1/acknowledgements?" + books.get()).get("agrees").getAsBoolean());
    }

    // ---- running -----------------------------------------------------------------------------------------------------

    private void post(HttpExchange exchange, Webhook webhook) throws IOException {
        try (exchange) {
            exchange.sendResponseHeaders(status(exchange, webhook), -1);
        }
    }

    private int status(HttpExchange exchange, Webhook webhook) throws IOException {
        if (!exchange.getRequestMethod().equals("POST")) return 405;
        byte[] body = exchange.getRequestBody().readNBytes(BODY_MAX + 1);
        if (body.length > BODY_MAX) return 413;
        var headers = exchange.getRequestHeaders();
        try {
            boolean believed = webhook.believes(headers.getFirst("webhook-id"), headers.getFirst("webhook-timestamp"),
                    headers.getFirst("webhook-signature"), body, Instant.now().getEpochSecond());
            if (!believed) return 401;
            take(body);
            return 204;
        } catch (Refused why) {
            return 422;
        } catch (Malformed why) {
            return 400;
        } catch (IOException | GeneralSecurityException | RuntimeException why) {
            System.err.println(why);
            return 503;
        }
    }

    private void reportAll(String desk) {
        try {
            for (var jws : openReports()) {
                var answer = send(desk, jws);
                // The same bytes are sent again later.
                if (answer.isEmpty()) return;
                answered(jws, answer.get());
            }
        } catch (Exception why) {
            System.err.println("reports wait: " + why);
        }
    }

    private void compareAgain(String desk, ScheduledExecutorService work, long every) {
        Optional<Boolean> agrees = Optional.empty();
        try {
            agrees = compare(desk);
        } catch (Exception away) {
            // The desk is asked again below.
        }
        agrees.ifPresent(good -> System.out.println(good ? "books agree" : "the books differ: call the desk"));
        work.schedule(() -> compareAgain(desk, work, every), agrees.isPresent() ? every : Math.min(every, 10), TimeUnit.SECONDS);
    }

    static byte[] secret(String name) {
        return Base64.getDecoder().decode(System.getenv(name));
    }

    public static void main(String[] args) throws Exception {
        if (args.length == 1) {
            vectors(JsonParser.parseString(Files.readString(Path.of(args[0]))).getAsJsonObject());
            return;
        }
        var env = System.getenv();
        var keys = new Keys(secret("MADOGUCHI_REPORT_KEY"), secret("MADOGUCHI_SEALING_KEY"));
        var hashes = env.get("MADOGUCHI_OWN_HASHES");
        Set<String> own = hashes == null ? Set.of() : new HashSet<>(Files.readAllLines(Path.of(hashes)));
        var books = Path.of(env.getOrDefault("MADOGUCHI_BOOKS", "journal.ndjson"));
        var recipient = new Receive(env.get("MADOGUCHI_RECIPIENT"), keys, books, own);
        var webhook = new Webhook(env.get("MADOGUCHI_WEBHOOK_SECRET"), env.getOrDefault("MADOGUCHI_WEBHOOK_PUBLIC", ""));
        var desk = env.get("MADOGUCHI_DESK").replaceFirst("/$", "");
        var listen = env.getOrDefault("MADOGUCHI_LISTEN", "127.0.0.1:8080").split(":");
        var server = HttpServer.create(new InetSocketAddress(listen[0], Integer.parseInt(listen[1])), 0);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.createContext("/", exchange -> recipient.post(exchange, webhook));
        server.start();
        System.out.println("listening on " + listen[0] + ":" + server.getAddress().getPort());
        var work = Executors.newScheduledThreadPool(2);
        work.scheduleWithFixedDelay(() -> recipient.reportAll(desk), 0, 200, TimeUnit.MILLISECONDS);
        long every = Long.parseLong(env.getOrDefault("MADOGUCHI_RECONCILE_SECONDS", "86400"));
        work.execute(() -> recipient.compareAgain(desk, work, every));
    }

    // ---- the published test vectors ----------------------------------------------------------------------------------

    static void same(Object got, Object wanted) {
        if (!got.equals(wanted)) throw new AssertionError("got " + got + ", wanted " + wanted);
    }

    static byte[] base64(JsonObject in, String name) {
        return Base64.getDecoder().decode(in.get(name).getAsString());
    }

    /** The parts, folded, with their lengths; then HMAC under the gate key, the first 16 bytes. */
    static String keyed(byte[] gateKey, String start, List<String> texts) throws IOException, GeneralSecurityException {
        var bytes = new ByteArrayOutputStream();
        bytes.write(start.getBytes(UTF_8));
        for (var text : texts) {
            byte[] one = text.getBytes(UTF_8);
            bytes.write(one.length >> 8);
            bytes.write(one.length);
            bytes.write(one);
        }
        return hex(Arrays.copyOf(hmac(gateKey, sha256(bytes.toByteArray())), 16));
    }

    static void vectors(JsonObject all) throws Exception {
        byte[] body = all.get("instruction").getAsString().getBytes(UTF_8);
        same(hex(sha256(body)), all.get("digest").getAsString());
        var report = all.getAsJsonObject("report").getAsJsonObject("EdDSA");
        var sealing = all.getAsJsonObject("sealing");
        var keys = new Keys(base64(report, "secret"), base64(sealing, "secret"));
        same(hex(keys.sealingPublic), hex(base64(sealing, "public")));
        same(keyId(keys.sealingPublic), sealing.get("key_id").getAsString());
        var id = JsonParser.parseString(new String(body, UTF_8)).getAsJsonObject().get("id").getAsString();
        same(keys.open(id, base64(sealing, "sealed")), sealing.get("plaintext"));
        same(hex(keys.reportPublic), hex(base64(report, "public")));
        var jws = report.get("jws").getAsString().split("\\.");
        byte[] signed = (jws[0] + "." + jws[1]).getBytes(UTF_8);
        same(verifies(ed25519(keys.reportPublic), signed, Base64.getUrlDecoder().decode(jws[2])), true);
        var payload = JsonParser.parseString(new String(Base64.getUrlDecoder().decode(jws[1]), UTF_8));
        same(payload, all.getAsJsonObject("report").get("payload"));
        // The same payload gives the same JWS: Ed25519 is deterministic, and the header is written in one way.
        same(keys.jws(payload.getAsJsonObject()).split("\\.")[0], jws[0]);
        var hook = all.getAsJsonObject("webhook");
        var webhook = new Webhook(hook.get("secret").getAsString(), hook.get("public").getAsString());
        String at = hook.get("webhook-timestamp").getAsString(), signatures = hook.get("webhook-signature").getAsString();
        same(webhook.believes(hook.get("webhook-id").getAsString(), at, signatures, body, Long.parseLong(at)), true);
        same(webhook.believes(hook.get("webhook-id").getAsString(), at, signatures, body, Long.parseLong(at) + 301), false);
        var request = all.getAsJsonObject("request");
        var proof = request.get("EdDSA").getAsString().split(",");
        same(proof[0], keyId(keys.reportPublic));
        same(verifies(ed25519(keys.reportPublic), request.get("lines").getAsString().getBytes(UTF_8), Base64.getDecoder().decode(proof[1])), true);
        var hashed = all.getAsJsonObject("keyed_hashes");
        for (var one : hashed.getAsJsonArray("keys")) {
            var key = one.getAsJsonObject();
            var texts = new ArrayList<>(List.of(key.get("rule").getAsString()));
            for (var part : key.getAsJsonArray("parts")) texts.add(hashed.getAsJsonObject("folded").get(part.getAsString()).getAsString());
            same(keyed(base64(hashed, "gate_key"), "madoguchi-gate-key-v1", texts), key.get("hash").getAsString());
        }
        var standing = all.getAsJsonObject("standing");
        same(hex(sha256(standing.get("lines").getAsString().getBytes(UTF_8))), standing.get("digest").getAsString());
        System.out.println("all vectors verify");
    }
}
