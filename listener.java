///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS io.github.cdimascio:dotenv-java:3.2.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:+NeverActAsServerClassMachine -XX:CompileThresholdScaling=3 -XX:-UsePerfData -Xmn32m -Xlog:disable
//CDS

import com.mongodb.*;
import com.mongodb.client.*;
import com.mongodb.client.model.Aggregates;
import com.mongodb.client.model.changestream.*;
import io.github.cdimascio.dotenv.Dotenv;
import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import org.bson.*;
import org.bson.codecs.Codec;
import org.bson.conversions.Bson;
import picocli.CommandLine;
import picocli.CommandLine.*;

import static com.mongodb.client.model.Filters.*;
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.*;

/**
 * Watches the bank customers with five change streams side by side: insert, update, delete, replace, resume.
 *
 * <p>Shows <a href="https://www.mongodb.com/docs/manual/changeStreams/">change streams</a> with filters that run on the
 * server, and how to go on after a failure with a resume token. To read first: the five streams.
 */
@Command(name = "listener", mixinStandardHelpOptions = true, version = "listener 1.0", sortOptions = false,
        description = "Shows what happens to the bank customers as it happens: five change streams, each with a filter."
                + "%nThe resume stream breaks off after every few events and goes on where it stopped. Ctrl-C ends it."
                + "%nExample: jbang listener --fail-after 3 --token-file listener.token", showDefaultValues = true)
class listener implements Callable<Integer> {

    enum Scope { collection, database, deployment }

    @Option(names = "--fail-after", description = "Events until the resume stream fails; 0: never.") int failAfter = 5;
    @Option(names = "--fail-for", description = "Seconds that it then stays closed.") int failFor = 10;
    @Option(names = "--token-file", paramLabel = "RESUME_TOKEN_FILE", showDefaultValue = Help.Visibility.NEVER,
            description = "Keeps the resume tokens there, and goes on after them at the next start.")
    String tokenFile = "";
    @Option(names = "--scope", description = "collection, database or deployment.") Scope scope = Scope.collection;
    @Option(names = "--json", description = "One JSON object per event; all else to standard error.") boolean json;

    public static void main(String... args) {
        if ("".equals(System.getenv("NO_COLOR"))) System.setProperty("picocli.ansi", "tty");  // see no-color.org
        if ("dumb".equals(System.getenv("TERM"))) System.setProperty("picocli.ansi", "false");
        new listener().run(args);
    }

    @Override
    public Integer call() throws Exception {
        out = System.out;
        if (json) System.setOut(new PrintStream(System.err, true, UTF_8));
        client = connect();
        preImages = client.getClusterDescription().getServerDescriptions().stream()
                .allMatch(server -> !server.isOk() || server.getMaxWireVersion() >= 17);  // 6.0; older ones refuse them
        eventCodec = ChangeStreamDocument.createCodec(Document.class, client.getDatabase(database).getCodecRegistry());
        Document pong = client.getDatabase(database).runCommand(new Document("ping", 1));
        started = new BsonTimestamp(pong.get("operationTime", BsonTimestamp.class).getValue() + 1);  // next
        System.out.println(RULE + "\nChange Stream Listener\nChange Stream Events currently monitored:\n"
                + "Insert, Update, Delete, Replace\nResume functionality is a separate thread\n" + RULE);

        System.out.println("Starting Change Stream Listener.");
        loadTokens();
        saveTokens();
        for (Watch stream : streams) {
            try (var trial = stream.open()) {  // its thread opens it again, from the same moment
                System.out.println(stream.title + " listener thread started.\n==" + stream.about + "\n"
                        + stream.match.toBsonDocument().toJson());
            } catch (MongoException e) {
                return fail(1, stream.lost(e));
            }
        }
        for (Watch stream : streams) stream.start();
        while (pause(1) && !out.checkError()) saveTokens();

        synchronized (streams) {  // none prints any more
            for (Watch stream : streams)
                System.out.println(stream.title + " stream closed, events seen: " + stream.seen
                        + (stream == resumes && last > 0 ? ", " + counted() : ""));
            saveTokens();
        }
        System.setOut(out);
        if (failure != null) return fail(1, failure);
        if (missed > 0) Runtime.getRuntime().halt(1);  // after Ctrl-C it would be 130
        return 0;
    }

    // ===== The five streams: what each lets through, and what it prints =====

    final Watch inserts = new Watch("Insert", "Checking Accounts with negative balance.",
            "@|bold,fg(34) === INSERT EVENT ===|@",
            and(eq("operationType", "insert"),
                    elemMatch("fullDocument.accounts", and(eq("type", "checking"), lt("balance", 0))))) {
        @Override
        String show(ChangeStreamDocument<Document> event) {
            Document customer = event.getFullDocument();
            Document checking = customer.getList("accounts", Document.class).stream()
                    .filter(account -> "checking".equals(account.get("type")))
                    .min(Comparator.comparing(account -> account.get("balance", Number.class).doubleValue()))
                    .orElseThrow();
            return "Checking Account with negative balance!"
                    + "\nEmailing user: " + text(customer.get("email"))
                    + "\nChecking Acct Balance: " + checking.get("balance");
        }
    };

    final Watch updates = new Watch("Update", "All updates, but those of resumeCounter.",
            "@|bold,fg(33) === UPDATE EVENT ===|@",
            and(eq("operationType", "update"), exists("updateDescription.updatedFields.resumeCounter", false))) {
        /** The looked-up document is the customer of this moment, not of the update: the balance is the one written. */
        @Override
        String show(ChangeStreamDocument<Document> event) {
            Document written = Document.parse(event.getUpdateDescription().getUpdatedFields().toJson());
            Document before = event.getFullDocumentBeforeChange();
            Document customer = event.getFullDocument() == null ? before : event.getFullDocument();  // null: is deleted
            var accounts = (before == null ? customer : before).getList("accounts", Document.class, List.of());
            String made = "";
            for (int i = 0; i < accounts.size(); i++) {
                String field = "accounts." + i + ".balance";
                Number now = written.get(field, Number.class);
                if (now == null) continue;
                written.remove(field);
                Number old = before == null ? null : accounts.get(i).get("balance", Number.class);
                boolean less = old != null && now.doubleValue() < old.doubleValue();
                String type = "checking".equals(accounts.get(i).get("type")) ? "Checking" : "Savings";
                made += "\n" + type + " Account " + (less ? "Withdrawal" : "Deposit") + "\nCustomer: " + name(customer)
                        + "\nUpdated " + type + " Balance to: " + now + (old == null ? "" : " (before: " + old + ")");
            }
            if (made.isEmpty()) made = "\nCustomer edited\nCustomer: " + name(customer);
            event.getUpdateDescription().getRemovedFields().forEach(field -> written.put(field, null));
            if (!written.isEmpty()) made += "\nChanged fields: " + text(String.join(", ", written.keySet()));
            return made.strip();
        }
    };

    final Watch deletes = new Watch("Delete", "All delete operations.", "@|bold,fg(160) === DELETE EVENT ===|@",
            eq("operationType", "delete")) {
        /** A delete event holds no more than the _id, unless the collection keeps pre-images. */
        @Override
        String show(ChangeStreamDocument<Document> event) {
            Document before = event.getFullDocumentBeforeChange();
            return "Customer deleted from collection: " + event.getNamespace().getCollectionName()
                    + "\nCustomer _id: " + text(Document.parse(event.getDocumentKey().toJson()).get("_id"))
                    + (before == null ? "" : "\nCustomer: " + name(before));
        }
    };

    final Watch replaces = new Watch("Replace", "All replace operations.", "@|bold,fg(134) === REPLACE EVENT ===|@",
            eq("operationType", "replace")) {
        @Override
        String show(ChangeStreamDocument<Document> event) {
            return "Did this change occur in MongoDB Compass?"
                    + "\nCustomer: " + name(event.getFullDocument())
                    + "\n" + whole(event).toJson();
        }
    };

    /** The numbers that resume_update sets: after each failure it must go on with the very next one. */
    final Watch resumes = new Watch("Resume", "Updates of resumeCounter.",
            "@|bold,fg(172) === RESUME EXAMPLE ===|@",
            and(eq("operationType", "update"), exists("updateDescription.updatedFields.resumeCounter"))) {
        @Override
        String show(ChangeStreamDocument<Document> event) {
            long counter = event.getUpdateDescription().getUpdatedFields().getNumber("resumeCounter").longValue();
            count(counter);
            failing = failAfter > 0 && seen % failAfter == 0;
            return "Resume token: " + event.getResumeToken().toJson().replace('"', '\'')
                    + "\nCounter value: " + counter;
        }
    };

    /** The resume stream is closed, and stays so for a while. What is written meanwhile comes when it is open again. */
    void simulateFailure() throws InterruptedException {
        resumes.failing = false;
        System.out.println("Resume Counter: " + resumes.seen + "\nSimulate failure for " + failFor + " seconds...");
        if (!pause(failFor)) return;
        System.out.println("Resume Change Stream closed."
                + "\nRestart Change Stream with resume token: " + resumes.token.toJson().replace('"', '\'')
                + "\n" + counted() + "\n");
    }

    final List<Watch> streams = List.of(inserts, updates, deletes, replaces, resumes);
    long first, last, missed, repeated;

    void count(long counter) {
        if (last == 0 || counter == 1) first = counter;  // the first of all, or of a new collection
        else if (counter <= last) repeated++;
        else missed += counter - last - 1;
        last = counter;
    }

    String counted() {
        return "counters " + first + ".." + last + ", " + missed + " missed, " + repeated + " repeated";
    }

    // ===== What keeps a stream alive =====

    MongoClient client;
    boolean preImages;
    Codec<ChangeStreamDocument<Document>> eventCodec;
    BsonTimestamp started, dropped = new BsonTimestamp();
    long awaySince, waiting;  // how many streams wait for MongoDB
    volatile String failure;
    PrintStream out;  // for events, of one stream at a time; with --json all else goes elsewhere

    /** One change stream: a thread that reads it, and opens it again after whatever ended it. */
    abstract class Watch extends Thread {
        final String title, about, headline;
        final Bson match;
        BsonDocument token;  // where to go on; null: where the listener started
        int seen;
        boolean failing;     // on purpose

        Watch(String title, String about, String headline, Bson filter) {
            this.title = title;
            this.about = about;
            this.headline = Help.Ansi.AUTO.string(headline);
            // Invalidate events have to pass as well: with the token of one, startAfter goes on after a drop.
            match = Aggregates.match(or(filter, eq("operationType", "invalidate")));
        }

        abstract String show(ChangeStreamDocument<Document> event);

        MongoChangeStreamCursor<ChangeStreamDocument<Document>> open() {
            ChangeStreamIterable<Document> changes = switch (scope) {
                case collection -> client.getDatabase(database).getCollection(collection).watch(List.of(match));
                case database -> client.getDatabase(database).watch(List.of(match));
                case deployment -> client.watch(List.of(match));
            };
            changes.batchSize(1000).maxAwaitTime(3, SECONDS);
            if (this == updates) changes.fullDocument(FullDocument.UPDATE_LOOKUP);  // for the customer's name
            if (preImages && (this == updates || this == deletes))
                changes.fullDocumentBeforeChange(FullDocumentBeforeChange.WHEN_AVAILABLE);
            return (token == null ? changes.startAtOperationTime(started) : changes.startAfter(token)).cursor();
        }

        @Override
        public void run() {
            boolean away = false;
            try {
                while (pause(away ? 1 : 0)) {
                    try (var changes = open()) {
                        if (away) outage(-1, "");
                        away = false;
                        read(changes);
                    } catch (MongoException e) {  // what the driver could not resume by itself
                        if (!passes(e) && (away || e.getCode() != 260)) throw e;  // 260: driver resumed after a drop
                        if (!away) outage(+1, explain(e).replaceFirst(" - .*", ""));
                        away = true;
                    }
                    if (failing) simulateFailure();
                }
            } catch (Throwable e) {
                failure = lost(e);
            } finally {  // one lost stream ends them all: nobody shall believe that it still listens
                stop.countDown();
            }
        }

        /** Shows what comes, until the server ends the stream, as it does after an invalidate event. */
        void read(MongoChangeStreamCursor<ChangeStreamDocument<Document>> changes) {
            while (!failing && (changes.available() > 0 || changes.getServerCursor() != null)) {
                ChangeStreamDocument<Document> event = changes.tryNext();  // null if none comes for 3 seconds
                synchronized (streams) {
                    if (stop.getCount() == 0) return;
                    if (event != null) print(event);
                    token = changes.getResumeToken();  // moves on without an event, too: an old one leaves the oplog
                }
            }
        }

        void print(ChangeStreamDocument<Document> event) {
            if (event.getOperationType() == OperationType.INVALIDATE) {
                if (event.getClusterTime().compareTo(dropped) <= 0) return;  // another stream has said it
                dropped = event.getClusterTime();
                System.out.println("The " + scope + " was dropped or renamed. All streams go on after that.");
                return;
            }
            seen++;
            String where = scope == Scope.collection ? "" : "Collection: " + event.getNamespace() + "\n";
            String text;
            try {
                text = show(event);
            } catch (RuntimeException e) {  // a customer of another shape
                text = whole(event).toJson();
            }
            out.println(json ? new Document("stream", title).append("event", whole(event)).toJson()
                    : headline + "\n" + where + text + "\n");
        }

        String lost(Throwable e) {
            boolean history = e instanceof MongoException error && List.of(136, 280, 286).contains(error.getCode());
            return title + " stream: " + explain(e) + (history ? " - history lost, it is not in this server's "
                    + "oplog; to begin anew, " + (tokenFile.isEmpty() ? "start it again" : "delete " + tokenFile) : "");
        }
    }

    /** One line when MongoDB goes away, and one when all streams are open again. */
    synchronized void outage(int more, String reason) {
        if (waiting == 0) System.out.println("MongoDB is away: " + reason);
        if (waiting == 0) awaySince = System.currentTimeMillis();
        waiting += more;
        if (waiting == 0) System.out.println("MongoDB is back after " + (System.currentTimeMillis() - awaySince) / 1e3
                + " s. All streams go on after their resume tokens.");
    }

    /** A broken connection, a restarted server, a new primary: after these the same stream can be opened again. */
    static boolean passes(MongoException e) {
        // https://github.com/mongodb/specifications/blob/master/source/change-streams/change-streams.md#resumable-error
        List<Integer> resumable = List.of(6, 7, 43, 63, 89, 91, 133, 150, 189, 234, 262, 9001, 10107, 11600, 11602,
                13388, 13435, 13436);
        if (e instanceof MongoSecurityException) return e.getCause() instanceof MongoException why && passes(why);
        if (!(e instanceof MongoServerException)) return true;
        return resumable.contains(e.getCode()) || e.hasErrorLabel("ResumableChangeStreamError");
    }

    // ===== The token file: where each stream goes on in another process =====

    String watched;
    Object lock;  // held as long as this process lives

    void loadTokens() throws IOException {
        watched = scope + " " + database + "." + collection;
        if (tokenFile.isEmpty()) return;
        lock = new RandomAccessFile(tokenFile + ".lock", "rw").getChannel().tryLock();
        if (lock == null) throw new IllegalStateException(tokenFile + " is in use - give this listener another");
        try {
            if (Files.notExists(Path.of(tokenFile))) return;
            BsonDocument saved = BsonDocument.parse(Files.readString(Path.of(tokenFile))).getDocument(watched);
            started = saved.getTimestamp("started");
            first = saved.getNumber("first").longValue();
            last = saved.getNumber("last").longValue();
            missed = saved.getNumber("missed").longValue();
            repeated = saved.getNumber("repeated").longValue();
            for (Watch stream : streams)
                if (saved.isDocument(stream.title)) stream.token = saved.getDocument(stream.title);
            System.out.println("Going on after the resume tokens in " + tokenFile);
        } catch (RuntimeException e) {
            throw new IllegalStateException(tokenFile + " is no token file of a listener on the " + watched
                    + " - name another, or delete it to begin with what happens next");
        }
    }

    /** Saves only what is on the screen: after a crash an event may come twice, but none is left out. */
    void saveTokens() throws IOException {
        if (tokenFile.isEmpty()) return;
        Document state = new Document("started", started);
        synchronized (streams) {
            if (out.checkError()) return;
            state.append("first", first).append("last", last).append("missed", missed).append("repeated", repeated);
            for (Watch stream : streams) state.append(stream.title, stream.token);
        }
        Path written = Files.writeString(Path.of(tokenFile + ".tmp"), new Document(watched, state).toJson());
        Files.move(written, Path.of(tokenFile), StandardCopyOption.ATOMIC_MOVE);  // never half a file
    }

    // ===== What is in an event =====

    BsonDocument whole(ChangeStreamDocument<Document> event) {
        return new BsonDocumentWrapper<>(event, eventCodec);
    }

    static String name(Document customer) {
        return text(customer.get("firstName") + " " + customer.get("lastName"));
    }

    static String text(Object value) {  // as MongoDB's tools print it, without what would act on the terminal
        boolean asIs = value instanceof Comparable && !(value instanceof Date);
        String json = asIs ? "{\"\": " + value + "}" : new Document("", value).toJson();
        return json.substring(5, json.length() - 1).replaceAll("\\p{C}", "\uFFFD");
    }

    // ===== Plumbing, the same in every script: settings, connection, errors in one line, Ctrl-C =====

    @Option(names = "--uri", description = "Connection string; safer in .env, as MONGODB_ATLAS_URL.") String uri;
    @Option(names = "--database", paramLabel = "DATABASE", description = "In .env") String database = "bankdatabase";
    @Option(names = "--collection", paramLabel = "COLLECTION", description = "In .env") String collection = "accounts";
    Dotenv env() { return Dotenv.configure().ignoreIfMissing().ignoreIfMalformed().load(); }  // environment, else .env
    static final String RULE = "=".repeat(60);
    final CountDownLatch stop = new CountDownLatch(1);                   // it is time to end
    final CompletableFuture<Void> finished = new CompletableFuture<>();  // call() has returned

    void run(String... args) {
        System.setOut(new PrintStream(System.out, true, UTF_8));  // in any locale
        int exitCode = new CommandLine(this).setDefaultValueProvider(option -> env().get(option.paramLabel()))
                .setParameterExceptionHandler((e, all) -> fail(2, e.getMessage().replaceAll("(?s)://.*", "://***")))
                .setExecutionExceptionHandler((e, all, parsed) -> fail(e instanceof MongoException ? 1 : 2, explain(e)))
                .execute(args);
        if (System.out.checkError()) exitCode = fail(1, "not all could be printed - disk full, or the reader gone?");
        finished.complete(null);
        System.exit(exitCode);
    }

    int fail(int exitCode, String message) {
        new PrintStream(System.err, true, UTF_8).println(getClass().getName() + ": " + message.replaceAll("\\s+", " "));
        return exitCode;
    }

    MongoClient connect() throws IOException {
        List<String> lines = Files.exists(Path.of(".env")) ? Files.readAllLines(Path.of(".env")) : List.of();
        for (String line : lines)  // dotenv-java may read others in another way than python-dotenv
            if (!line.matches("\\s*|#.*|\\w+\\s*=([^\"'#{\\\\]*|\\s*\"[^\"'#{\\\\]*\"\\s*)"))
                throw new IllegalStateException(".env:" + (lines.indexOf(line) + 1) + ": write NAME=value, without "
                        + "export, single quotes, # { or \\");
        if (uri == null) uri = env().get("MONGODB_ATLAS_URL", "");
        if ((uri + database + collection).matches("(?i).*([?&]timeoutMS=|\\.sock|\uFFFD).*"))
            throw new IllegalStateException("take no timeoutMS and no Unix socket, and put non-ASCII names into .env");
        MongoClient client = MongoClients.create(MongoClientSettings.builder()
                .applyToClusterSettings(cluster -> cluster.serverSelectionTimeout(5, SECONDS))
                .applyToSocketSettings(socket -> socket.connectTimeout(4, SECONDS).readTimeout(10, SECONDS))
                .applyConnectionString(new ConnectionString(uri))  // overrides the lines above, not those below
                .applyToConnectionPoolSettings(pool -> pool.maxSize(100)).compressorList(List.of())
                .readConcern(ReadConcern.DEFAULT).writeConcern(WriteConcern.MAJORITY)
                .uuidRepresentation(UuidRepresentation.STANDARD).build());
        String url = uri.replaceAll("(?<!/)(/[^/?@]*)?\\?.*", "$1").replaceAll("://([\\w.-]*).*@", "://$1:***@");
        System.out.println("MongoDB Atlas DB URL: " + url + "\nDatabase: " + database + "\nCollection: " + collection);
        if (!client.getDatabase(database).runCommand(new Document("ping", 1)).containsKey("operationTime"))
            throw new IllegalStateException("change streams need a replica set: mongod --replSet, rs.initiate()");
        Runtime.getRuntime().addShutdownHook(new Thread(stop::countDown));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> finished.completeOnTimeout(null, 10, SECONDS).join()));
        return client;
    }

    boolean pause(double seconds) throws InterruptedException {  // says whether to go on: not after Ctrl-C
        return !stop.await((long) (seconds * 1000), MILLISECONDS) && !System.out.checkError();
    }

    static String explain(Throwable e) {  // what happened, and what to do about it
        if (e instanceof MongoClientException && e.getCause() instanceof MongoSocketException) e = e.getCause();
        String message = e instanceof IOException ? e.toString() : e.getMessage();
        if (e instanceof MongoCommandException command) message = command.getErrorMessage();
        if (e instanceof IllegalArgumentException)  // its message may quote the password
            return "MONGODB_ATLAS_URL, DATABASE or COLLECTION is missing or malformed (@ : / % are %40 %3A %2F %25)";
        if (e instanceof MongoSecurityException)
            return "MongoDB refused the login - check user, password (@ : / % are %40 %3A %2F %25) or certificate";
        if (e instanceof MongoClientException || e instanceof MongoSocketException)
            return "cannot reach MongoDB (" + message.replaceAll(".*xception: |( that matches|}|, servers).*", "")
                    + ") - does it run, is the host right, does Atlas let this address in (IP access list)?";
        boolean denied = e instanceof MongoException error && List.of(13, 8000).contains(error.getCode());
        return message + (denied ? " - has the URI a user with readWrite (--scope deployment: readAnyDatabase)?" : "");
    }
}
