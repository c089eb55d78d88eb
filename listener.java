///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS io.github.cdimascio:dotenv-java:3.2.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m

import com.mongodb.*;
import com.mongodb.client.*;
import com.mongodb.client.model.Aggregates;
import com.mongodb.client.model.changestream.*;
import io.github.cdimascio.dotenv.*;
import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.Function;
import org.bson.*;
import org.bson.codecs.Codec;
import org.bson.conversions.Bson;
import picocli.CommandLine;
import picocli.CommandLine.*;

import static com.mongodb.ReadPreference.nearest;
import static com.mongodb.client.model.Filters.*;
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.*;
import static picocli.CommandLine.Help.Ansi.AUTO;
import static picocli.CommandLine.Help.Visibility.NEVER;

/**
 * Watches the bank customers with five change streams side by side: insert, update, delete, replace, resume.
 *
 * <p>Shows <a href="https://www.mongodb.com/docs/manual/changeStreams/">change streams</a> with filters, and
 * how to go on after a failure with a resume token. To read first: the five streams.
 */
@Command(name = "listener", version = "listener 1.0", mixinStandardHelpOptions = true, sortOptions = false,
        showDefaultValues = true, description = "Shows what happens to bank customers: five change streams."
                + "%nThe resume stream fails after every few events, and goes on where it stopped."
                + "%nSettings in capitals may stand in .env.%nExample: jbang listener --fail-after 3")
class listener implements Callable<Integer> {
    enum Scope { collection, database, deployment }
    static final String RULE = "=".repeat(60);
    @Option(names = "--fail-after", description = "Events until that failure; 0: never.") int failAfter = 5;
    @Option(names = "--fail-for", description = "Seconds that it then stays closed.") int failFor = 10;
    @Option(names = "--token-file", paramLabel = "RESUME_TOKEN_FILE", showDefaultValue = NEVER,
            description = "Keeps the resume tokens, to go on after a restart.") String tokenFile = "";
    @Option(names = "--scope", description = "Or a database, a deployment.") Scope scope = Scope.collection;
    @Option(names = "--json", description = "One JSON object an event; all else to stderr.") boolean json;

    public static void main(String... args) {
        if ("".equals(System.getenv("NO_COLOR"))) System.setProperty("picocli.ansi", "tty");  // no-color.org
        if ("dumb".equals(System.getenv("TERM"))) System.setProperty("picocli.ansi", "false");
        new listener().run(args);
    }

    @Override public Integer call() throws Exception {
        if (failAfter < 0 || failFor < 0) return fail(2, "--fail-after and --fail-for: 0 or more");
        out = new PrintStream(System.out, true, UTF_8);  // whatever the locale is
        System.setOut(json ? new PrintStream(System.err, true, UTF_8) : out);
        client = connect();
        eventCodec = ChangeStreamDocument.createCodec(Document.class, client.getCodecRegistry());
        Document pong = client.getDatabase("admin").runCommand(new Document("ping", 1));
        BsonTimestamp now = pong.get("operationTime", BsonTimestamp.class);
        if (now == null) return fail(1, "no replica set, or not ready for seconds yet - rs.initiate()?");
        started = new BsonTimestamp(now.getValue() + 1);
        System.out.println(RULE + "\nChange Stream Listener\nChange Stream Events currently monitored:\n"
                + "Insert, Update, Delete, Replace\nResume functionality is a separate thread\n" + RULE
                + "\nStarting Change Stream Listener.");
        loadTokens();
        saveTokens();
        if (failure != null) return fail(2, failure);
        for (Watch stream : streams) stream.start();
        while (!stop.await(1, SECONDS) && !out.checkError())
            synchronized (streams) {
                if (++silent == 4) System.out.println(AUTO.string("@|red No answer from MongoDB for 3 s|@"));
                saveTokens();
            }
        synchronized (streams) {  // none prints any more
            stop.countDown();
            saveTokens();
            String seen = " stream closed, events seen" + (resumed ? " since this start: " : ": ");
            for (Watch each : streams)
                System.out.println(each.title + seen + each.seen + (each == resumes ? counted(", ") : ""));
        }
        if (out.checkError()) return fail(1, "not all could be printed - disk full, or the reader gone?");
        if (failure != null) return fail(1, failure);
        if (missed > 0) Runtime.getRuntime().halt(1);  // after Ctrl-C it would be 130
        return 0;
    }

    // ===== The five streams: what each lets through, and what it shows of it, change together =====
    final Watch inserts = new Watch("Insert", 34, "INSERT EVENT", "Checking Accounts with negative balance.",
            and(eq("operationType", "insert"),
                    elemMatch("fullDocument.accounts", and(eq("type", "checking"), lt("balance", 0)))),
            event -> {
                Document customer = event.getFullDocument();
                Number lowest = customer.getList("accounts", Document.class).stream()
                        .filter(account -> "checking".equals(account.get("type")))
                        .map(account -> account.get("balance", Number.class))
                        .min(Comparator.comparing(Number::doubleValue)).orElseThrow();
                return "Checking Account with negative balance!"
                        + "\nEmailing user: " + text(customer.get("email"))
                        + "\nChecking Acct Balance: " + lowest;
            });

    final Watch updates = new Watch("Update", 33, "UPDATE EVENT", "All updates, but those of resumeCounter.",
            and(eq("operationType", "update"),
                    exists("updateDescription.updatedFields.resumeCounter", false)),
            this::showUpdate);

    /** The looked-up document is the customer of this moment: its balance may be a later one. */
    String showUpdate(ChangeStreamDocument<Document> event) {
        var change = event.getUpdateDescription();
        Document written = Document.parse(change.getUpdatedFields().toJson());  // "a.b" is one key there
        Document before = event.getFullDocumentBeforeChange();
        Document customer = before == null ? event.getFullDocument() : before;
        List<?> accounts = customer == null ? null : customer.getList("accounts", Object.class);
        String text = "";
        for (int i = 0; accounts != null && i < accounts.size(); i++) {
            Number now = (Number) written.remove("accounts." + i + ".balance");
            if (now == null) continue;
            Document account = (Document) accounts.get(i);
            Number old = before == null ? null : account.get("balance", Number.class);
            boolean less = old != null && now.doubleValue() < old.doubleValue();
            String type = "checking".equals(account.get("type")) ? "Checking" : "Savings";
            text += type + " Account " + (less ? "Withdrawal" : "Deposit") + "\nCustomer: " + who(event)
                    + "\nUpdated " + type + " Balance to: " + now
                    + (old == null ? "" : " (before: " + old + ")") + "\n";
        }
        if (text.isEmpty()) text = "Customer edited\nCustomer: " + who(event) + "\n";
        change.getRemovedFields().forEach(field -> written.put(field, "(removed)"));
        change.getTruncatedArrays().forEach(a -> written.put(a.getField(), "(cut: " + a.getNewSize() + ")"));
        return (text + (written.isEmpty() ? "" : "Changed fields: " + text(written.toJson()))).strip();
    }

    /** A delete event holds no more than the _id, unless the collection keeps pre-images. */
    final Watch deletes = new Watch("Delete", 160, "DELETE EVENT", "All delete operations.",
            eq("operationType", "delete"),
            event -> "Customer deleted from collection: " + text(event.getNamespace().getCollectionName())
                    + "\nCustomer _id: " + id(event)
                    + (event.getFullDocumentBeforeChange() == null ? "" : "\nCustomer: " + who(event)));

    final Watch replaces = new Watch("Replace", 134, "REPLACE EVENT", "All replace operations.",
            eq("operationType", "replace"),
            event -> "Customer replaced, as by the JSON view of MongoDB Compass"
                    + "\nCustomer: " + who(event)
                    + "\n" + whole(event).toJson());

    /** The numbers that resume_update sets: after each failure it must go on with the very next one. */
    final Watch resumes = new Watch("Resume", 172, "RESUME EXAMPLE", "Updates of resumeCounter.",
            and(eq("operationType", "update"), exists("updateDescription.updatedFields.resumeCounter")),
            event -> {
                BsonDocument written = event.getUpdateDescription().getUpdatedFields();
                long counter = written.getNumber("resumeCounter").longValue();
                if (scope == Scope.collection) count(counter);
                return "Resume token: " + event.getResumeToken().toJson().replace('"', '\'')
                        + "\nCounter value: " + AUTO.string("@|bold " + counter + "|@");
            });

    final List<Watch> streams = List.of(inserts, updates, deletes, replaces, resumes);  // and yours

    class Watch extends Thread {  // one change stream, and the thread that reads it
        final String title, about, headline;
        final Bson filter;
        final Function<ChangeStreamDocument<Document>, String> show;
        BsonDocument token;  // where to go on; null: where the listener started
        int seen;
        boolean failing;     // on purpose

        Watch(String title, int colour, String headline, String about, Bson filter,
                Function<ChangeStreamDocument<Document>, String> show) {
            this.title = title;
            this.headline = AUTO.string("@|bold,fg(" + colour + ") === " + headline + " ===|@");
            this.about = about;
            this.filter = filter;
            this.show = show;
        }

        MongoChangeStreamCursor<ChangeStreamDocument<Document>> open() {
            // Invalidate events pass as well: with the token of one, startAfter goes on after a drop.
            var matching = List.of(Aggregates.match(or(filter, eq("operationType", "invalidate"))));
            ChangeStreamIterable<Document> changes = switch (scope) {
                case collection -> client.getDatabase(database).getCollection(collection).watch(matching);
                case database -> client.getDatabase(database).watch(matching);
                case deployment -> client.watch(matching);
            };
            changes.batchSize(1000).maxAwaitTime(1, SECONDS).fullDocument(FullDocument.UPDATE_LOOKUP);
            boolean preImages = client.getClusterDescription().getServerDescriptions().stream()
                    .filter(server -> server.isOk()).allMatch(server -> server.getMaxWireVersion() >= 17);
            if (preImages) changes.fullDocumentBeforeChange(FullDocumentBeforeChange.WHEN_AVAILABLE);  // 6.0
            changes = token == null ? changes.startAtOperationTime(started) : changes.startAfter(token);
            return changes.cursor();
        }

        /** Shows what comes, until the server ends the stream, as it does after an invalidate event. */
        void read(MongoChangeStreamCursor<ChangeStreamDocument<Document>> changes) {
            while (!failing) {
                ChangeStreamDocument<Document> event = changes.tryNext();  // null if none comes for a second
                synchronized (streams) {
                    if (stop.getCount() == 0) return;
                    sayIfBack();
                    if (event != null) print(event);
                    token = changes.getResumeToken();  // also without an event, or it would leave the oplog
                }
                if (event == null && changes.getServerCursor() == null) return;
            }
        }

        void print(ChangeStreamDocument<Document> event) {
            if (event.getOperationType() == OperationType.INVALIDATE) {
                if (this == resumes) last = 0;  // in a new collection numbers begin at 1
                if (this == inserts) System.out.println("The " + scope + " is gone. All streams go on.");
                return;
            }
            seen++;
            String at = scope == Scope.collection ? "" : "Collection: " + text(event.getNamespace()) + "\n";
            String text;
            try {
                text = show.apply(event);
            } catch (RuntimeException e) {  // a customer of another shape, or a mistake in what shows it
                text = whole(event).toJson() + "\nAs JSON, because of " + text(e);
            }
            out.println(json ? new Document("stream", title).append("event", whole(event)).toJson()
                    : headline + "\n" + at + text + "\n");
            failing = this == resumes && failAfter > 0 && seen % failAfter == 0;
        }

        @Override public void run() {
            boolean announced = false;
            try {
                do {
                    try (var changes = open()) {
                        if (!announced) allOpen.await();
                        announced = true;
                        read(changes);
                    } catch (MongoException e) {  // what the driver could not resume by itself
                        if (!passes(e)) throw e;
                        boolean slow = e instanceof MongoSocketReadTimeoutException && this == resumes;
                        if (slow) System.out.println("Long to catch up? socketTimeoutMS=300000 in the URI");
                        stop.await(900, MILLISECONDS);
                    }
                    if (failing) simulateFailure();
                } while (!stop.await(100, MILLISECONDS));
            } catch (Throwable e) {  // one lost stream ends all: nobody shall believe that it still listens
                failure = lost(e);
                stop.countDown();
            }
        }

        String lost(Throwable e) {
            int code = e instanceof MongoException error ? error.getCode() : 0;
            String lost = title + " stream: " + why(e);
            if (!List.of(136, 280, 286, 10334).contains(code)) return lost;
            lost += code == 10334 ? " - an event over 16 MB" : " - history lost, not in this server's oplog";
            return lost + "; to begin anew, " + (file == null ? "start it again" : "delete " + tokenFile);
        }
    }

    MongoClient client;
    Codec<ChangeStreamDocument<Document>> eventCodec;
    BsonTimestamp started;
    volatile String failure;
    PrintStream out;  // for events, of one stream at a time; with --json all else goes elsewhere
    final CyclicBarrier allOpen = new CyclicBarrier(streams.size(), this::sayOpen);
    int silent;       // so many seconds long no stream has had an answer
    long answered = System.nanoTime();

    void sayOpen() {
        for (Watch stream : streams) {
            String match = Aggregates.match(stream.filter).toBsonDocument().toJson();
            System.out.println(stream.title + " listener thread started.\n==" + stream.about + "\n"
                    + match.replaceAll("(.{1,77})( |$)", "  $1\n").stripTrailing());
        }
        System.out.println("and invalidate events, all of them.");
    }

    void sayIfBack() {
        double s = (System.nanoTime() - answered) / 100_000_000 / 10.0;
        if (silent > 3) System.out.println(AUTO.string("@|green MongoDB answers again, after|@ " + s + " s"));
        silent = 0;
        answered = System.nanoTime();
    }

    /** The resume stream is closed, and stays so for a while. What is written meanwhile comes afterwards. */
    void simulateFailure() throws InterruptedException {
        resumes.failing = false;
        String red = AUTO.string("@|red Simulate failure for " + failFor + " seconds...|@");
        System.out.println("Resume Counter: " + resumes.seen + "\n" + red + "\nResume Change Stream closed.");
        if (stop.await(failFor, SECONDS)) return;
        String token = resumes.token.toJson().replace('"', '\'');
        System.out.println("Restart Change Stream with resume token: " + token + counted("\n") + "\n");
    }

    /** A broken connection, a restarted server, a new primary: after these a stream can be opened again. */
    static boolean passes(MongoException e) {
        // from the drivers' specification; 134: just restarted; 260: the driver's resumeAfter after a drop
        List<Integer> resumable = List.of(6, 7, 43, 63, 89, 91, 133, 134, 150, 189, 234, 260, 262, 9001,
                10107, 11600, 11602, 13388, 13435, 13436);
        if (e instanceof MongoSecurityException) return e.getCause() instanceof MongoException c && passes(c);
        return e instanceof MongoSocketException || e instanceof MongoClientException
                || resumable.contains(e.getCode()) || e.hasErrorLabel("ResumableChangeStreamError");
    }

    // ===== The proof: after each number must come the next =====
    long first, last, missed, repeated;

    void count(long counter) {
        if (last == 0) first = counter;
        else if (counter <= last) repeated++;
        else missed += counter - last - 1;
        last = Math.max(last, counter);
    }

    String counted(String lead) {  // what the last process showed twice, this one cannot know
        if (last + missed == 0) return "";
        String colour = missed > 0 ? "red " : "green ";
        return lead + "counters " + first + ".." + last + AUTO.string(", @|" + colour + missed + " missed|@")
                + (resumed ? "" : ", " + repeated + " repeated");
    }

    // ===== The token file: where each stream goes on in another process =====
    String watched;
    Path file;
    Object lock;  // held as long as this process lives
    boolean resumed;

    void loadTokens() throws IOException {
        watched = scope + " " + database + "." + collection;
        if (tokenFile.isEmpty()) return;
        file = Path.of(tokenFile);
        if (Files.exists(file)) file = file.toRealPath();  // a link stays a link
        lock = new RandomAccessFile(file + ".lock", "rw").getChannel().tryLock();
        if (lock == null) throw new IllegalStateException(tokenFile + " is in use - give it another");
        if (Files.notExists(file)) return;
        try {
            BsonDocument saved = BsonDocument.parse(Files.readString(file)).getDocument(watched);
            started = saved.getTimestamp("started");
            first = saved.getNumber("first").longValue();
            last = saved.getNumber("last").longValue();
            missed = saved.getNumber("missed").longValue();
            for (Watch stream : streams)
                if (saved.isDocument(stream.title)) stream.token = saved.getDocument(stream.title);
        } catch (IOException | RuntimeException e) {
            throw new IllegalStateException(tokenFile + " is no token file of " + watched + " - name one");
        }
        resumed = true;
        System.out.println("Going on after the resume tokens in " + tokenFile);
    }

    /** Saves only what is on the screen: after a crash an event may come twice, but none is left out. */
    void saveTokens() {
        if (file == null || out.checkError()) return;
        var all = new Document(Map.of("started", started, "first", first, "last", last, "missed", missed));
        for (Watch stream : streams) all.append(stream.title, stream.token);
        String text = new Document(watched, all).toJson();
        try {
            Path written = Files.writeString(Path.of(file + ".tmp"), text);
            try {
                Files.move(written, file, StandardCopyOption.ATOMIC_MOVE);  // never half a file
            } catch (FileSystemException e) {                               // one that cannot be moved to
                Files.writeString(file, text);
            }
        } catch (IOException e) {
            failure = "cannot write " + tokenFile + ": " + e;
            stop.countDown();
        }
    }

    BsonDocument whole(ChangeStreamDocument<Document> event) {
        return new BsonDocumentWrapper<>(event, eventCodec);
    }

    static String who(ChangeStreamDocument<Document> event) {
        Document before = event.getFullDocumentBeforeChange();
        Document customer = event.getFullDocument() == null ? before : event.getFullDocument();
        if (customer == null || customer.get("lastName") == null) return "_id " + id(event);
        return text(customer.get("firstName") + " " + customer.get("lastName"));
    }

    static String id(ChangeStreamDocument<Document> event) {
        return text(Document.parse(event.getDocumentKey().toJson()).get("_id"));
    }

    static String text(Object value) {  // without what acts on a terminal, with the joiners that names need
        if (value instanceof Document || value instanceof Date) value = new Document("_id", value).toJson();
        return String.valueOf(value).replaceAll("[\\p{C}&&[^\u200C\u200D]]", "\uFFFD");
    }

    // ===== Plumbing, the same in every script: settings, connection, errors in one line, Ctrl-C =====
    @Option(names = "--uri", paramLabel = "MONGODB_ATLAS_URL", showDefaultValue = NEVER) String uri = "";
    @Option(names = "--database", paramLabel = "DATABASE") String database = "bankdatabase";
    @Option(names = "--collection", paramLabel = "COLLECTION") String collection = "accounts";
    final CountDownLatch stop = new CountDownLatch(1);                  // it is time to end
    final CompletableFuture<Integer> done = new CompletableFuture<>();  // call() has returned

    void run(String... args) {
        int exitCode = new CommandLine(this).setParameterExceptionHandler((e, all) -> fail(2, why(e)))
                .setExecutionExceptionHandler((e, c, p) -> fail(e instanceof MongoException ? 1 : 2, why(e)))
                .setDefaultValueProvider(o -> Dotenv.configure().ignoreIfMissing().load().get(o.paramLabel()))
                .execute(args);
        done.complete(exitCode);
        System.exit(exitCode);
    }

    int fail(int exitCode, String message) {  // in one line, and without what may be a password
        System.err.println(getClass().getName() + ": " + message.replaceAll("(?s)'.*(@|//).*|\\s+", " "));
        return exitCode;
    }

    MongoClient connect() {
        ConnectionString url = new ConnectionString(uri);
        MongoClient client = MongoClients.create(MongoClientSettings.builder()
                .applyToSocketSettings(socket -> socket.readTimeout(10, SECONDS))  // silence is an error
                .applyConnectionString(url)                                // beats that, not what follows
                .applyToConnectionPoolSettings(pool -> pool.maxSize(100))  // one for each stream
                .compressorList(List.of())                                 // they would need more libraries
                .uuidRepresentation(UuidRepresentation.STANDARD)           // as other languages write them
                .readConcern(ReadConcern.DEFAULT).writeConcern(WriteConcern.MAJORITY).build());  // as streams
        client.withTimeout(9, SECONDS).withReadPreference(nearest()).listDatabaseNames().first();  // not 30 s
        System.out.printf("Hosts: %s%nDatabase: %s%nCollection: %s%n", url.getHosts(), database, collection);
        Runtime.getRuntime().addShutdownHook(new Thread(stop::countDown));  // Ctrl-C, it waits for call():
        Runtime.getRuntime().addShutdownHook(new Thread(() -> done.completeOnTimeout(1, 9, SECONDS).join()));
        return client;
    }

    static String why(Throwable e) {  // and what to do; a quotation may be a password
        String told = e instanceof MongoCommandException m ? m.getErrorMessage() : "" + e.getMessage();
        if (e.getCause() instanceof DotenvException) return ".env: UTF-8 without BOM, each line NAME=value";
        if (e instanceof IllegalArgumentException) return told.split("['\".\\[]")[0] + " - see .env.example";
        if (e instanceof MongoSecurityException) return "login refused - user, password, authSource right?";
        if (told.contains("GHOST")) return "the replica set is not initiated - in mongosh: rs.initiate()";
        if (told.matches("(?s).*(UnknownHost|SRV ).*")) return "no such host - or try directConnection=true";
        if (e instanceof MongoClientException || e instanceof MongoSocketException)
            return "cannot reach MongoDB: " + told.replaceAll(".*: |}.*| that.*", "") + " - up? let in?";
        boolean denied = e instanceof MongoException it && List.of(13, 8000).contains(it.getCode());
        return denied ? told.replaceAll("command \\{ (\\w+).*", "$1") + " - has the user readWrite?" : told;
    }
}
