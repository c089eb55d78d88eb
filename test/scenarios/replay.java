///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m

import static java.util.concurrent.TimeUnit.SECONDS;

import com.mongodb.*;
import com.mongodb.client.*;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.Callable;
import org.bson.*;
import picocli.CommandLine;
import picocli.CommandLine.*;

/**
 * Plays recorded scenarios on a MongoDB server and compares its answers with the recorded ones, which a real replica
 * set gave. The sandbox is held against them so, and whoever wants to know can hold their own server against them.
 *
 * <pre>MONGODB_ATLAS_URL=mongodb://localhost:27017 jbang test/scenarios/replay.java test/scenarios/recorded/*.json</pre>
 *
 * The format of a trace is in test/scenarios/recorded/README.md, what the events mean in
 * <a href="https://www.mongodb.com/docs/manual/reference/change-events/">the manual's page on change events</a>.
 * Commands are sent as they are, also getMore, so that nothing the driver does by itself stands between the server's
 * reply and the comparison.
 */
@Command(name = "replay", mixinStandardHelpOptions = true, version = "replay 1.0",
        description = "Plays recorded scenarios on a MongoDB server and compares its answers with the recorded ones. "
                + "Uses the databases 'trace' and 'other' there, and drops them at the end.",
        footer = "Exit codes: 0 all as recorded, 1 something differs or the server failed, 2 wrong usage.")
class replay implements Callable<Integer> {

    @Option(names = "--uri", defaultValue = "${env:MONGODB_ATLAS_URL}", paramLabel = "URI",
            description = "The server, a replica set: mongodb://... or mongodb+srv://... Default: MONGODB_ATLAS_URL of "
                    + "the environment, where a password shows in no list of processes.")
    String uri;

    @Option(names = "--wait", paramLabel = "MILLIS", defaultValue = "500",
            description = "How long a reading waits for one more event. Default: ${DEFAULT-VALUE}.")
    int waitMillis;

    @Option(names = "--force",
            description = "Drop the databases 'trace' and 'other' even if there is something in them.")
    boolean force;

    @Parameters(arity = "1..*", paramLabel = "TRACE.json", description = "The scenarios to play.")
    List<Path> files;

    @Spec
    Model.CommandSpec spec;

    static final List<String> DATABASES = List.of("trace", "other");

    /** What is looked at in the reply to a command; anything else only where the expectation names it. */
    static final List<String> REPLY_FIELDS =
            List.of("n", "nModified", "upserted", "value", "lastErrorObject", "writeErrors", "firstBatch");

    static final Set<String> WRITES = Set.of("insert", "update", "delete", "findAndModify");

    /** What newer servers than the recorded one add to an event (8.2.0 has most): looked at where it is expected. */
    static final Set<String> ADDED = Set.of("wallTime", "collectionUUID", "operationDescription");
    static final Set<String> ADDED_IF_EMPTY = Set.of("truncatedArrays", "disambiguatedPaths");

    record Trace(String name, List<Document> steps) {}

    int steps, failed;

    public static void main(String... args) {
        System.exit(new CommandLine(new replay())
                .setParameterExceptionHandler((e, arguments) -> complain(e, 2))
                .setExecutionExceptionHandler((e, commandLine, parsed) -> complain(e, 1))
                .execute(args));
    }

    @Override
    public Integer call() {
        List<Trace> traces = files.stream().map(this::load).toList();
        try (MongoClient client = MongoClients.create(settings())) {
            refuseToOverwrite(client);
            int major = client.getDatabase("admin").runCommand(new Document("buildInfo", 1))
                    .getList("versionArray", Integer.class).get(0);
            try {
                traces.forEach(trace -> replay(client, trace, major));
            } finally {
                DATABASES.forEach(name -> client.getDatabase(name).drop());
            }
        }
        System.out.printf("%d traces, %d steps, %d failed%n", traces.size(), steps, failed);
        return failed == 0 ? 0 : 1;
    }

    /** The server may be somebody's own, and these two names are not so rare. */
    void refuseToOverwrite(MongoClient client) {
        for (String name : DATABASES) {
            if (!force && client.getDatabase(name).listCollectionNames().first() != null) {
                throw usage("the server has a database '" + name + "' already, which would be dropped: "
                        + "take another server, or --force if nobody needs it");
            }
        }
    }

    void replay(MongoClient client, Trace trace, int major) {
        DATABASES.forEach(name -> client.getDatabase(name).drop());
        List<String> failures = new ArrayList<>();
        try (ClientSession session = client.startSession()) {
            Scenario scenario = new Scenario(client, session, new HashMap<>(), waitMillis);
            for (int number = 1; number <= trace.steps.size(); number++) {
                Document step = new Document(trace.steps.get(number - 1));
                Document expected = expectation(step, major);
                Document actual = scenario.play(step, expected);
                String difference = difference("", expected, actual);
                if (difference != null) {
                    failures.add("  step " + number + ": " + step.toJson() + "\n    differs:  " + difference
                            + "\n    expected: " + expected.toJson() + "\n    actual:   " + actual.toJson());
                }
            }
        }
        steps += trace.steps.size();
        failed += failures.size();
        System.out.println((failures.isEmpty() ? "ok      " : "FAILED  ") + trace.name);
        failures.forEach(System.out::println);
    }

    /** What to expect of a server of this version: what was recorded, or what a later one is known to do instead. */
    static Document expectation(Document step, int major) {
        Document expected = step.get("expect", Document.class);
        for (int version = 5; version <= major; version++) {
            expected = step.get("expect" + version, expected);
        }
        step.keySet().removeIf(field -> field.startsWith("expect"));
        return expected;
    }

    // ---- Playing: what is sent, and what of the answer is looked at

    /** One run of one trace. */
    record Scenario(MongoClient client, ClientSession session, Map<String, Stream> streams, int waitMillis) {

        /** Gives the answer in the form of an expectation. */
        Document play(Document step, Document expected) {
            Document answer = new Document();
            try {
                Document resolved = (Document) resolve(step);
                if (step.containsKey("run")) {
                    run(resolved, expected, answer);
                } else if (step.containsKey("open")) {
                    open(resolved, answer);
                } else if (step.containsKey("read")) {
                    read(resolved, expected, answer);
                } else {
                    close(step);
                }
            } catch (MongoTimeoutException e) {
                throw e; // no server any more: each of the next steps would only wait for it again
            } catch (MongoException e) {
                answer.append("error", error(e, expected.get("error", Document.class)));
            } catch (RuntimeException e) { // needs what a failed step did not bring, or the reply has another shape
                answer.append("notPlayed", e.toString());
            }
            return answer;
        }

        void run(Document step, Document expected, Document answer) {
            Document command = step.get("run", Document.class);
            if (WRITES.contains(command.keySet().iterator().next())) {
                command.putIfAbsent("writeConcern", new Document("w", "majority")); // what streams read
            }
            Document reply = send(step.get("db", "trace"), command);
            if (reply.get("cursor") instanceof Document cursor) {
                reply.put("firstBatch", cursor.get("firstBatch"));
            }
            // The messages of write errors are each server's own; newer ones say more.
            Set<String> told = new HashSet<>(List.of("index", "code"));
            expected.getList("writeErrors", Document.class, List.of()).forEach(error -> told.addAll(error.keySet()));
            reply.getList("writeErrors", Document.class, List.of()).forEach(error -> error.keySet().retainAll(told));
            Set<String> fields = new LinkedHashSet<>(REPLY_FIELDS);
            fields.addAll(expected.keySet());
            fields.stream().filter(reply::containsKey).forEach(field -> answer.append(field, reply.get(field)));
        }

        void open(Document step, Document answer) {
            String on = step.getString("on");
            Document changeStream = new Document(step.get("options", new Document()));
            if (on.equals("cluster")) {
                changeStream.append("allChangesForCluster", true);
            }
            List<Document> pipeline = new ArrayList<>(List.of(new Document("$changeStream", changeStream)));
            pipeline.addAll(step.getList("pipeline", Document.class, List.of()));
            Object target = on.equals("collection") ? step.get("collection", "accounts") : (Object) 1;
            Document reply = send(step.get("db", on.equals("cluster") ? "admin" : "trace"),
                    new Document("aggregate", target).append("pipeline", pipeline).append("cursor", new Document()));
            Stream stream = new Stream(reply.get("cursor", Document.class));
            streams.put(step.getString("open"), stream);
            answer.append("pbrt", stream.newestToken != null).append("open", stream.isOpen());
        }

        void read(Document step, Document expected, Document answer) {
            Stream stream = stream(step.getString("read"));
            // A server that repeats itself for ever must fail, not hang the player: hence an end without a count too.
            int awaited = expected.getList("events", Document.class, List.of()).size();
            int end = awaited + 100;
            int count = Math.min(step.get("count", end), end);
            // What the opening brought counts as well, and can be all there is: it may have closed the cursor.
            List<Document> events = new ArrayList<>(stream.firstBatch);
            stream.firstBatch.clear();
            answer.append("events", events);
            int inVain = 0; // a server shows an event when most of its members have it, which may take a while
            while (stream.isOpen() && events.size() < count && inVain < (events.size() < awaited ? 10 : 1)) {
                Document reply = send(stream.database, new Document("getMore", stream.id)
                        .append("collection", stream.collection).append("maxTimeMS", waitMillis));
                boolean came = stream.accept(reply.get("cursor", Document.class), "nextBatch", events);
                inVain = came ? 0 : inVain + 1;
            }
            answer.append("open", stream.isOpen());
        }

        void close(Document step) {
            Stream stream = stream(step.getString("close"));
            send(stream.database, new Document("killCursors", stream.collection)
                    .append("cursors", List.of(stream.id)));
        }

        Document send(String database, Document command) {
            return client.getDatabase(database).runCommand(session, command);
        }

        Stream stream(String name) {
            return Objects.requireNonNull(streams.get(name), "stream " + name + " is not there");
        }

        /** Puts what an earlier step brought in the place of each <code>{"$ref": ...}</code>. */
        Object resolve(Object value) {
            if (value instanceof List<?> list) {
                return list.stream().map(this::resolve).toList();
            } else if (!(value instanceof Document document)) {
                return value;
            } else if (document.keySet().equals(Set.of("$ref"))) {
                return referred(document.getString("$ref"));
            } else {
                Document resolved = new Document(document);
                resolved.replaceAll((name, field) -> resolve(field));
                return resolved;
            }
        }

        Object referred(String reference) { // s.2, s.2.clusterTime, s.pbrt
            String[] parts = reference.split("\\.");
            Stream stream = stream(parts[0]);
            Object found = parts[1].equals("pbrt") ? stream.newestToken
                    : stream.events.get(Integer.parseInt(parts[1])).get(parts.length == 2 ? "_id" : parts[2]);
            return Objects.requireNonNull(found, reference + " is not there");
        }
    }

    /** A cursor on the server, and what it has given so far. */
    static class Stream {
        final String database, collection;
        /** As they came, for $ref. */
        final List<Document> events = new ArrayList<>();
        /** As the traces write them, until a step reads them. */
        final List<Document> firstBatch = new ArrayList<>();
        long id;
        Object newestToken;
        String lastToken = "";
        BsonTimestamp lastTime = new BsonTimestamp(0);

        Stream(Document cursor) {
            String[] namespace = cursor.getString("ns").split("\\.", 2);
            database = namespace[0];
            collection = namespace[1];
            accept(cursor, "firstBatch", firstBatch);
        }

        /** Adds the events of a batch, as the traces write them; says if there were any. */
        boolean accept(Document cursor, String batch, List<Document> target) {
            id = ((Number) cursor.get("id")).longValue();
            newestToken = cursor.getOrDefault("postBatchResumeToken", newestToken);
            List<Document> own = new ArrayList<>(cursor.getList(batch, Document.class));
            own.removeIf(this::isForeign);
            own.forEach(event -> target.add(shown(event)));
            return events.addAll(own);
        }

        /** On a server in use, a stream of the whole deployment sees other people's events (but none of admin). */
        boolean isForeign(Document event) {
            Object changed = event.getEmbedded(List.of("ns", "db"), "trace");
            return database.equals("admin") && !List.of("trace", "other", "admin", "config", "local").contains(changed);
        }

        /** A token or time out of order is said in its place, and so differs. */
        Document shown(Document event) {
            Document shown = new Document(event);
            if (event.get("_id") instanceof Document id && id.get("_data") instanceof String data
                    && data.matches("[0-9A-Fa-f]+")) {
                String token = data.toUpperCase(Locale.ROOT);
                shown.put("_id", token.compareTo(lastToken) > 0 ? "<token>" : "<token, not above the one before>");
                lastToken = token;
            }
            if (event.get("clusterTime") instanceof BsonTimestamp time) {
                shown.put("clusterTime", time.compareTo(lastTime) >= 0 ? "<time>" : "<time, before the last one>");
                lastTime = time;
            }
            return shown;
        }

        boolean isOpen() {
            return id != 0;
        }
    }

    // ---- Comparing

    /** The error as far as an expected one names it; a newer server may label more, but not where no label was. */
    static Document error(MongoException e, Document wanted) {
        Document error = new Document("code", e.getCode())
                .append("codeName", e instanceof MongoServerException refusal ? refusal.getErrorCodeName() : null)
                .append("labels", new ArrayList<>(e.getErrorLabels()))
                .append("errmsg", e instanceof MongoCommandException refusal ? refusal.getErrorMessage() : masked(e));
        if (wanted != null) {
            error.keySet().retainAll(wanted.keySet());
            List<String> labels = wanted.getList("labels", String.class, List.of());
            if (!labels.isEmpty()) {
                error.put("labels", labels.stream().filter(e::hasErrorLabel).toList());
            }
        }
        return error;
    }

    /** Where the first difference is and what it is, or null. */
    static String difference(String path, Object expected, Object actual) {
        if (expected instanceof Number x && actual instanceof Number y) {
            return number(x).equals(number(y)) ? null : path + " has another value";
        }
        Map<String, Object> wanted = fields(expected), came = fields(actual);
        if (wanted == null || came == null || expected instanceof List != actual instanceof List) {
            return Objects.equals(expected, actual) ? null : path + " has another value";
        }
        Set<String> names = new LinkedHashSet<>(wanted.keySet());
        names.addAll(came.keySet());
        for (String name : names) {
            String inner = path.isEmpty() ? name : path + "." + name;
            boolean added = !wanted.containsKey(name) && (ADDED.contains(name)
                    || ADDED_IF_EMPTY.contains(name) && Map.of().equals(fields(came.get(name))));
            String difference = added ? null : !came.containsKey(name) ? inner + " is missing"
                    : !wanted.containsKey(name) ? inner + " is not expected"
                    : difference(inner, wanted.get(name), came.get(name));
            if (difference != null) {
                return difference;
            }
        }
        return null;
    }

    /** Of an array, its elements by their index; null if the value has no fields. */
    static Map<String, Object> fields(Object value) {
        if (value instanceof List<?> list) {
            Map<String, Object> elements = new LinkedHashMap<>();
            list.forEach(element -> elements.put(String.valueOf(elements.size()), element));
            return elements;
        }
        return value instanceof Document document ? document : null;
    }

    /** 1, 1.0 and a decimal 1.00 are one value; what BigDecimal cannot hold (NaN, Infinity) is its name. */
    static Object number(Number number) {
        try {
            return new BigDecimal(number.toString()).stripTrailingZeros();
        } catch (NumberFormatException e) {
            return number.toString();
        }
    }

    // ---- Plumbing: files, settings, error lines

    Trace load(Path file) {
        try {
            List<Document> steps = Document.parse(Files.readString(file)).getList("steps", Document.class, List.of());
            if (steps.isEmpty()) {
                throw new IllegalArgumentException("it has no steps");
            }
            for (Document step : steps) {
                step.putIfAbsent("expect", new Document());
            }
            return new Trace(file.getFileName().toString(), steps);
        } catch (IOException | RuntimeException e) {
            throw usage(file + " cannot be read as a trace: " + e);
        }
    }

    /** Fails in seconds where the driver would wait half a minute; the URI's own options count more. */
    MongoClientSettings settings() {
        if (uri == null) {
            throw usage("which server? Say it with --uri or MONGODB_ATLAS_URL");
        }
        try {
            return MongoClientSettings.builder()
                    .applyToClusterSettings(cluster -> cluster.serverSelectionTimeout(5, SECONDS))
                    .applyToSocketSettings(socket -> socket.connectTimeout(5, SECONDS).readTimeout(60, SECONDS))
                    .applyConnectionString(new ConnectionString(uri))
                    .build();
        } catch (IllegalArgumentException e) { // its message can hold parts of the password
            throw usage("--uri is no MongoDB connection string (in a password, @ : / % are written %40 %3A %2F %25)");
        }
    }

    ParameterException usage(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    static int complain(Exception e, int exitCode) {
        System.err.println("replay: " + masked(e));
        return exitCode;
    }

    /** The message on one line, without the user and password of any URI in it. */
    static String masked(Exception e) {
        return String.valueOf(e.getMessage()).replaceAll("\\s+", " ").replaceAll(":/+\\S*@", "://***@");
    }
}
