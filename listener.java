///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS io.github.cdimascio:dotenv-java:3.2.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:+UseSerialGC -Xmn32m -Xlog:disable
//CDS

import com.mongodb.ConnectionString;
import com.mongodb.MongoClientSettings;
import com.mongodb.MongoCommandException;
import com.mongodb.MongoConfigurationException;
import com.mongodb.MongoConnectionPoolClearedException;
import com.mongodb.MongoCursorNotFoundException;
import com.mongodb.MongoException;
import com.mongodb.MongoNodeIsRecoveringException;
import com.mongodb.MongoNotPrimaryException;
import com.mongodb.MongoSecurityException;
import com.mongodb.MongoSocketException;
import com.mongodb.MongoTimeoutException;
import com.mongodb.client.ChangeStreamIterable;
import com.mongodb.client.MongoChangeStreamCursor;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.model.Aggregates;
import com.mongodb.client.model.Filters;
import com.mongodb.client.model.changestream.ChangeStreamDocument;
import com.mongodb.client.model.changestream.FullDocument;
import com.mongodb.client.model.changestream.OperationType;
import com.mongodb.client.model.changestream.TruncatedArray;
import com.mongodb.connection.ClusterType;
import io.github.cdimascio.dotenv.Dotenv;
import io.github.cdimascio.dotenv.DotenvEntry;
import io.github.cdimascio.dotenv.DotenvException;
import org.bson.BsonDocument;
import org.bson.BsonDocumentReader;
import org.bson.BsonDocumentWriter;
import org.bson.Document;
import org.bson.codecs.DecoderContext;
import org.bson.codecs.DocumentCodec;
import org.bson.codecs.EncoderContext;
import org.bson.conversions.Bson;
import org.bson.json.JsonWriterSettings;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;
import picocli.CommandLine;

import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * Watches the collection of bank customers with five change streams side by side: insert, update, delete, replace, resume.
 *
 * <pre>
 * jbang listener
 * jbang listener --fail-after 3 --fail-for 5
 * </pre>
 *
 * Shows <a href="https://www.mongodb.com/docs/drivers/java/sync/current/logging-monitoring/change-streams/">watch()</a>,
 * <a href="https://www.mongodb.com/docs/manual/changeStreams/#modify-change-stream-output">filters that run on the server</a>
 * and <a href="https://www.mongodb.com/docs/manual/changeStreams/#resume-a-change-stream">resuming without losing a change</a>.
 * What an event holds: <a href="https://www.mongodb.com/docs/manual/reference/change-events/">Change Events</a>.
 */
@Command(name = "listener", mixinStandardHelpOptions = true, version = "listener 1.0", description = {
        "Shows what happens to the bank customers, as it happens: five change streams, each with a filter of its own.",
        "The resume stream breaks off after every few events and goes on where it stopped. Ctrl-C ends it.",
        "Example: listener --fail-after 3 --fail-for 5"})
class listener implements Callable<Integer> {

    @Option(names = "--fail-after", defaultValue = "5", paramLabel = "N",
            description = "The resume stream fails after so many events (default: ${DEFAULT-VALUE}); 0: never.")
    int failAfter;

    @Option(names = "--fail-for", defaultValue = "10", paramLabel = "SECONDS",
            description = "and stays closed for so long, up to 3600 (default: ${DEFAULT-VALUE}).")
    BigDecimal failFor;

    MongoCollection<Document> customers;
    final AtomicReference<Exception> failure = new AtomicReference<>();

    public static void main(String... args) {
        new listener().run(args);
    }

    @Override
    public Integer call() throws Exception {
        check("--fail-after", failAfter, 0, Integer.MAX_VALUE);
        check("--fail-for", failFor.doubleValue(), 0, 3600);
        try (MongoClient client = connect()) {
            customers = client.getDatabase(database).getCollection(collection);
            banner("Change Stream Listener", "Change Stream Events currently monitored:", "Insert, Update, Delete, Replace",
                    "Resume functionality is a separate thread");
            System.out.println("Starting Change Stream Listener.");
            List<Watch> streams = List.of(new Inserts(), new Updates(), new Deletes(), new Replaces(), new Resumes());
            for (Watch stream : streams) {
                stream.cursor = stream.changes().cursor();  // from here on the stream misses nothing
                stream.token = stream.cursor.getResumeToken();
                System.out.println(stream.title + " listener thread started.\n==" + stream.filter);
                stream.start();
            }
            for (Watch stream : streams) stream.join();
            for (Watch stream : streams) System.out.println(stream.summary());
            if (failure.get() != null) throw failure.get();
        }
        return 0;
    }

    /** New customers whose checking account is below zero. */
    class Inserts extends Watch {
        Inserts() {
            super("Insert", "Checking Accounts with negative balance.", FullDocument.DEFAULT,
                    Filters.and(Filters.eq("operationType", "insert"), Filters.elemMatch("fullDocument.accounts",
                            Filters.and(Filters.eq("type", "checking"), Filters.lt("balance", 0)))));
        }

        @Override
        String show(ChangeStreamDocument<Document> event) {
            Document customer = event.getFullDocument();
            Object balance = accounts(customer).stream().filter(account -> account instanceof Document checking
                            && "checking".equals(checking.get("type"))
                            && checking.get("balance") instanceof Number amount && amount.doubleValue() < 0)
                    .map(account -> ((Document) account).get("balance")).findFirst().orElse("(unknown)");
            return "=== INSERT EVENT ===\nChecking Account with negative balance!"
                    + "\nEmailing user: " + Objects.requireNonNullElse(customer.get("email"), "(no e-mail)")
                    + "\nChecking Acct Balance: " + balance;
        }
    }

    /** Deposits, and every other edit; only updates of nothing but resumeCounter are left to the resume stream. */
    class Updates extends Watch {
        /** The name of a changed field may hold dots ("accounts.1.balance"): a path cannot reach it, an expression can. */
        static final Bson MORE_THAN_THE_COUNTER = Filters.expr(Document.parse("""
                {$not: [{$setIsSubset: [{$ifNull: [{$concatArrays: [
                    {$map: {input: {$objectToArray: "$updateDescription.updatedFields"}, in: "$$this.k"}},
                    "$updateDescription.removedFields",
                    {$ifNull: ["$updateDescription.truncatedArrays.field", []]}]}, []]}, ["resumeCounter"]]}]}"""));
        static final Pattern BALANCE = Pattern.compile("accounts\\.(\\d{1,9})\\.balance");

        Updates() {
            super("Update", "Savings Acct w/ balance less than 1000.\n==(here every update of any account, except of resumeCounter)",
                    FullDocument.UPDATE_LOOKUP, Filters.and(Filters.eq("operationType", "update"), MORE_THAN_THE_COUNTER));
        }

        /** The looked-up document is the customer of this moment, not of the update: the balance is the one that was written. */
        @Override
        String show(ChangeStreamDocument<Document> event) {
            Document written = plain(event.getUpdateDescription().getUpdatedFields());
            List<?> accounts = accounts(event.getFullDocument());
            List<String> blocks = new ArrayList<>();
            for (String field : written.keySet()) {
                Matcher balance = BALANCE.matcher(field);
                if (!balance.matches()) continue;
                int n = Integer.parseInt(balance.group(1));
                String type = n < accounts.size() && accounts.get(n) instanceof Document account
                        && account.get("type") instanceof String word && !word.isEmpty()
                        ? Character.toUpperCase(word.charAt(0)) + word.substring(1) + " " : "";
                blocks.add("=== UPDATE EVENT ===\n" + type + "Account Deposit"
                        + "\nCustomer: " + name(event) + "\nUpdated " + type + "Balance to: " + written.get(field));
            }
            if (blocks.isEmpty()) {
                List<String> changed = new ArrayList<>(written.keySet());
                changed.addAll(event.getUpdateDescription().getRemovedFields());
                List<TruncatedArray> cut = event.getUpdateDescription().getTruncatedArrays();
                if (cut != null) cut.forEach(array -> changed.add(array.getField()));
                blocks.add("=== UPDATE EVENT ===\nCustomer edited\nCustomer: " + name(event)
                        + "\nChanged fields: " + String.join(", ", changed));
            }
            return String.join("\n\n", blocks);
        }
    }

    class Deletes extends Watch {
        Deletes() {
            super("Delete", "All delete operations.", FullDocument.DEFAULT, Filters.eq("operationType", "delete"));
        }

        @Override
        String show(ChangeStreamDocument<Document> event) {
            return "=== DELETE EVENT ===\nCustomer deleted from collection: " + event.getNamespace().getCollectionName()
                    + "\nCustomer _id: " + id(event);
        }
    }

    class Replaces extends Watch {
        Replaces() {
            super("Replace", "Replace operation typically from MongoDB Compass.", FullDocument.DEFAULT,
                    Filters.eq("operationType", "replace"));
        }

        @Override
        String show(ChangeStreamDocument<Document> event) {
            BsonDocument whole = new BsonDocument();
            ChangeStreamDocument.createCodec(Document.class, customers.getCodecRegistry())
                    .encode(new BsonDocumentWriter(whole), event, EncoderContext.builder().build());
            return "=== REPLACE EVENT ===\nDid this change occur in MongoDB Compass?\n"
                    + whole.toJson(JsonWriterSettings.builder().indent(true).build());
        }
    }

    /** The numbers that resume_update sets: after a failure the stream must go on with the very next one. */
    class Resumes extends Watch {
        Long lowest, highest, last;
        long missed, repeated;

        Resumes() {
            super("Resume", "Updates to checking accts w/ balance greater than 100.", FullDocument.DEFAULT, Filters.and(
                    Filters.eq("operationType", "update"), Filters.exists("updateDescription.updatedFields.resumeCounter")));
        }

        @Override
        String show(ChangeStreamDocument<Document> event) {
            Object counter = plain(event.getUpdateDescription().getUpdatedFields()).get("resumeCounter");
            if (counter instanceof Number n) {
                if (last != null && n.longValue() <= last) repeated++;
                else if (last != null) missed += n.longValue() - last - 1;
                last = n.longValue();
                lowest = lowest == null ? last : Math.min(lowest, last);
                highest = highest == null ? last : Math.max(highest, last);
            }
            return "=== RESUME EXAMPLE ===\nResume token: " + text(event.getResumeToken()) + "\nCounter value: " + counter;
        }

        @Override
        void shown(ChangeStreamDocument<Document> event) throws InterruptedException {
            if (failAfter == 0 || seen % failAfter != 0) return;
            System.out.println("Resume Counter: " + seen + "\nSimulate failure for " + failFor.toPlainString() + " seconds...");
            cursor.close();
            if (!pause(failFor.doubleValue())) return;
            System.out.println("Resume Change Stream closed.\n"
                    + "Restart Change Stream with resume token: " + text(event.getResumeToken()));
            cursor = changes().resumeAfter(event.getResumeToken()).cursor();
        }

        @Override
        void startOver() {
            last = null;  // a new collection is numbered from 1 again
        }

        @Override
        String summary() {
            return super.summary() + (last == null && lowest == null ? ""
                    : ", counters " + lowest + ".." + highest + ", " + missed + " missed, " + repeated + " repeated");
        }
    }

    /** One change stream: what it asks the server for, and the loop that reads it. */
    abstract class Watch extends Thread {
        final String title, filter;
        final FullDocument fullDocument;
        final Bson wanted;
        MongoChangeStreamCursor<ChangeStreamDocument<Document>> cursor;
        BsonDocument token;
        long seen;

        Watch(String title, String filter, FullDocument fullDocument, Bson wanted) {
            super(title + " listener");
            this.title = title;
            this.filter = filter;
            this.fullDocument = fullDocument;
            this.wanted = wanted;
        }

        abstract String show(ChangeStreamDocument<Document> event);

        void shown(ChangeStreamDocument<Document> event) throws InterruptedException { }

        void startOver() { }

        String summary() {
            return title + " stream closed, events seen: " + seen;
        }

        /** The filter must let invalidate through: only with the token of that event can a stream go on after a drop. */
        ChangeStreamIterable<Document> changes() {
            return customers.watch(List.of(Aggregates.match(Filters.or(wanted, Filters.eq("operationType", "invalidate")))))
                    .fullDocument(fullDocument).maxAwaitTime(1, TimeUnit.SECONDS);
        }

        @Override
        public void run() {
            try {
                while (pause(0)) {
                    try {
                        read();
                    } catch (MongoException e) {
                        if (!passes(e)) throw e;
                        waitForMongoDB(e);
                    }
                }
            } catch (Exception | Error e) {  // one stream that is lost ends them all: nobody shall believe that it still listens
                failure.compareAndSet(null, e instanceof Exception exception ? exception : new IllegalStateException(e));
                stop.countDown();
            } finally {
                cursor.close();
            }
        }

        /** Shows the next event, if one comes within maxAwaitTime. */
        void read() throws InterruptedException {
            ChangeStreamDocument<Document> event = cursor.tryNext();
            if (event == null && cursor.getServerCursor() == null)
                throw new MongoException("the server closed the " + title + " stream without a reason");
            token = cursor.getResumeToken();  // moves on without an event, too: a token that never moves gets too old
            if (event == null) return;
            if (event.getOperationType() == OperationType.INVALIDATE) {
                System.out.println(title + " stream: collection " + collection + " was dropped or renamed, going on after that.");
                cursor.close();
                startOver();
                token = event.getResumeToken();
                cursor = changes().startAfter(token).cursor();
                return;
            }
            seen++;
            try {
                System.out.println(show(event) + "\n");
            } catch (RuntimeException e) {
                System.err.println("listener: " + title + " stream: an event cannot be shown, _id " + text(event.getResumeToken()) + ": " + e);
            }
            shown(event);
        }

        /** The driver resumes a stream by itself, once. If MongoDB is away for longer, we go on asking, from the same token. */
        void waitForMongoDB(MongoException reason) throws InterruptedException {
            long since = System.nanoTime();
            String why = " (" + explain(reason) + ")";  // once is enough
            cursor.close();
            for (double wait = 0.2; pause(wait); wait = Math.min(10, wait * 2)) {
                try {
                    cursor = changes().startAfter(token).cursor();
                    System.out.printf(Locale.ROOT, "%s stream: MongoDB is back, going on with the resume token.%n", title);
                    return;
                } catch (MongoException e) {
                    if (!passes(e)) throw e;
                    System.out.printf(Locale.ROOT, "%s stream: waiting for MongoDB since %.0f s%s%n", title,
                            (System.nanoTime() - since) / 1e9, why);
                    why = "";
                }
            }
        }
    }

    /** A broken connection, a restarted server, a new primary: errors after which the same stream can be opened again. */
    static boolean passes(MongoException e) {
        return e instanceof MongoSocketException || e instanceof MongoTimeoutException || e instanceof MongoConnectionPoolClearedException
                || e instanceof MongoNotPrimaryException || e instanceof MongoNodeIsRecoveringException
                || e instanceof MongoCursorNotFoundException || e.hasErrorLabel("ResumableChangeStreamError");
    }

    static List<?> accounts(Document customer) {
        return customer != null && customer.get("accounts") instanceof List<?> accounts ? accounts : List.of();
    }

    static String name(ChangeStreamDocument<Document> event) {
        Document customer = Objects.requireNonNullElse(event.getFullDocument(), new Document());
        String name = Stream.of("firstName", "lastName").map(customer::get).filter(Objects::nonNull).map(Object::toString)
                .collect(Collectors.joining(" "));
        return name.isBlank() ? "_id " + id(event) : name;
    }

    static Object id(ChangeStreamDocument<Document> event) {
        return plain(event.getDocumentKey()).get("_id");
    }

    static Document plain(BsonDocument document) {
        return new DocumentCodec().decode(new BsonDocumentReader(document), DecoderContext.builder().build());
    }

    static String text(BsonDocument token) {
        return token.toJson().replace('"', '\'');
    }

    // ===== Plumbing, the same in every script: common options, settings, connection, errors, Ctrl-C =====

    @Option(names = "--uri", paramLabel = "URI", description = "Connection string; in .env: MONGODB_ATLAS_URL. "
            + "Keep one that holds a password in .env: options show in the list of processes.")
    String uri;
    @Option(names = "--database", paramLabel = "NAME", description = "Default: bankdatabase; in .env: DATABASE.")
    String database;
    @Option(names = "--collection", paramLabel = "NAME", description = "Default: accounts; in .env: COLLECTION.")
    String collection;
    @Option(names = "--env-file", paramLabel = "FILE", description = "Settings file. Default: .env in the working directory.")
    Path envFile;
    @Option(names = "--verbose", description = "Show the stack trace of an error.")
    boolean verbose;
    @Spec
    CommandSpec spec;

    final long startedAt = System.nanoTime();
    final CountDownLatch stop = new CountDownLatch(1);                   // Ctrl-C was pressed
    final CompletableFuture<Void> finished = new CompletableFuture<>();  // call() has returned
    volatile boolean working;                                            // there is something to finish first

    void run(String... args) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            stop.countDown();
            if (working) finished.completeOnTimeout(null, 10, TimeUnit.SECONDS).join();
        }));
        CommandLine commandLine = new CommandLine(this).setCaseInsensitiveEnumValuesAllowed(true)
                .setParameterExceptionHandler((e, ignored) -> {
                    List<String> meant = e instanceof UnmatchedArgumentException u ? u.getSuggestions() : List.of();
                    return fail(2, mask(e.getMessage()) + (meant.isEmpty() ? "" : " - did you mean " + meant.get(0) + "?")
                            + " (see " + spec.name() + " --help)");
                })
                .setExecutionExceptionHandler((e, ignored, none) -> {
                    if (verbose) e.printStackTrace();
                    return fail(1, explain(e));
                });
        spec.usageMessage().sortOptions(false)
                .footer("", "Exit codes: 0 done, 1 failed, 2 wrong option or setting, 130 stopped by Ctrl-C.");
        int exitCode = commandLine.execute(args);
        finished.complete(null);
        System.exit(exitCode);
    }

    int fail(int exitCode, String message) {
        System.err.println(spec.name() + ": " + message.replaceAll("\\s+", " "));
        return exitCode;
    }

    ParameterException refuse(String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    void check(String option, double value, double low, double high) {
        if (!(value >= low && value <= high))  // so that NaN is refused too
            throw refuse(String.format(Locale.ROOT, "%s must be from %.0f to %.0f", option, low, high));
    }

    /** Waits, and says whether to go on: not after Ctrl-C. */
    boolean pause(double seconds) throws InterruptedException {
        return !stop.await((long) (seconds * 1000), TimeUnit.MILLISECONDS);
    }

    void banner(String... lines) {
        String rule = "=".repeat(60);
        System.out.println(rule + "\n" + String.join("\n", lines) + "\n" + rule);
    }

    String elapsed() {
        return String.format(Locale.ROOT, "Total Time Elapsed (in seconds): %.2f", (System.nanoTime() - startedAt) / 1e9);
    }

    /** Connects, and finds out before anything is written whether address, password and kind of server are right. */
    MongoClient connect() {
        String url = setting(uri, "MONGODB_ATLAS_URL", "");
        database = setting(database, "DATABASE", "bankdatabase");
        collection = setting(collection, "COLLECTION", "accounts");
        if (url.isEmpty())
            throw refuse("no MongoDB to connect to - cp .env.example .env and set MONGODB_ATLAS_URL, or use --uri");
        if (url.matches("(?s).*<[\\w ]+>.*"))
            throw refuse("the connection string still holds a <placeholder> - put your own value there");
        if (!database.matches("(?!(admin|local|config)$)[^/\\\\. \"$*<>:|?\\x00]+") || database.getBytes(UTF_8).length > 63)
            throw refuse("'" + database + "' cannot be the database - take up to 63 letters and digits, not admin, local, config");
        if (!collection.matches("(?!system\\.|\\.)[^$\\x00]+") || (database + "." + collection).getBytes(UTF_8).length > 255)
            throw refuse("'" + collection + "' cannot be the collection - take letters and digits, and not system. in front");
        MongoClientSettings settings;
        try {
            settings = MongoClientSettings.builder().retryWrites(true).applicationName("change-stream-demo " + spec.name())
                    .applyToClusterSettings(cluster -> cluster.serverSelectionTimeout(5, TimeUnit.SECONDS))
                    .applyToSocketSettings(socket -> socket.connectTimeout(5, TimeUnit.SECONDS))
                    .applyConnectionString(new ConnectionString(url))  // last: what the URI names itself wins
                    .build();
        } catch (IllegalArgumentException | IllegalStateException e) {  // never shown: its message may quote the password
            throw refuse("the connection string " + url.replaceAll("(?s)^(mongodb(\\+srv)?://)?.*", "$1***") + " is malformed - "
                    + "write each @ : / % in user and password as %40 %3A %2F %25, the rest like mongodb://host:port/?replicaSet=name");
        }
        System.out.println("MongoDB Atlas DB URL: " + mask(url) + "\nDatabase: " + database + "\nCollection: " + collection);
        MongoClient client = MongoClients.create(settings);
        client.getDatabase(database).runCommand(new Document("ping", 1));
        if (client.getClusterDescription().getType() == ClusterType.STANDALONE)
            throw new MongoException(40573, "standalone server");  // what it would answer to a change stream
        working = true;
        return client;
    }

    static String mask(String text) {
        return text.replaceAll("(?is)(://.*?)(:|%3A).*@", "$1:***@")
                .replaceAll("(?i)((proxyPassword|tlsCertificateKeyFilePassword)=|AWS_SESSION_TOKEN(:|%3A))[^&,]*", "$1***");
    }

    /** What happened, and what to do about it. */
    String explain(Exception e) {
        String message = e instanceof MongoCommandException command ? command.getErrorMessage()
                : e instanceof MongoException ? e.getMessage() : e.toString();
        if (e instanceof MongoSecurityException)
            return "MongoDB refused user or password - check them, and that each @ : / % in them is written %40 %3A %2F %25";
        if (e instanceof MongoNotPrimaryException)
            return "this server is not the primary - name its replica set in the URI, or rs.initiate() a new one in mongosh";
        if (e instanceof MongoTimeoutException || e instanceof MongoSocketException || e instanceof MongoConfigurationException
                || e instanceof MongoConnectionPoolClearedException)
            return "cannot reach MongoDB (" + message  // of the driver's long message the innermost cause, if it names one
                    .replaceAll("(?s).*(?:xception=|caused by )\\{?[\\w.]*?(\\w+: [^{}]*?)(?:}|, servers).*", "$1")
                    .replaceAll("(?s)\\. Client view.*", "")
                    + ") - does it run (jbang sandbox), is the host right, does Atlas let this address in (IP access list)?";
        return switch (e instanceof MongoException m ? m.getCode() : 0) {
            case 13 -> message + " - the user in the URI needs the role readWrite on " + database;
            case 40573 -> "change streams need a replica set, and this server is none - start it with mongod --replSet rs0 and "
                    + "rs.initiate() in mongosh, or use jbang sandbox";
            default -> message + (verbose ? "" : " - run it with --verbose for more");
        };
    }

    /** The option, or the variable in the environment if it is not empty, or the one in .env, or the default. */
    String setting(String option, String variable, String otherwise) {
        if (option != null) return option;
        String value = System.getenv(variable);
        return value != null && !value.isEmpty() ? value : dotEnv().getOrDefault(variable, otherwise);
    }

    /** Reads .env, if dotenv-java reads each line of it as python-dotenv does, for which many a file was written. */
    Map<String, String> dotEnv() {
        Path file = (envFile != null ? envFile : Path.of(".env")).toAbsolutePath();
        if (envFile == null && Files.notExists(file)) return Map.of();
        String key = "[ \t]*[A-Za-z0-9_.-]+[ \t]*=[ \t]*";
        String quoted = "\"[^\"\\\\]*\"[ \t]*(#.*)?", plain = "([^\\s\"'#][[^\\s\"#] \t]*)?((?<=[ \t])#.*)?";
        String alike = "(?U)[ \t]*|#.*|(?!.*\\$\\{)" + key + "(" + quoted + "|" + plain + ")";
        try {
            if (!Files.isRegularFile(file)) throw new IOException("not a file, or a pipe, which cannot be read twice");
            List<String> lines = Files.readAllLines(file);
            for (String line : lines)
                if (!line.matches(alike))
                    throw refuse(file.getFileName() + ":" + (lines.indexOf(line) + 1) + ": cannot be read - write KEY=value or "
                            + "KEY=\"value\": no export, no single quotes, no \\ in quotes, no ${...}, a blank before a # comment, "
                            + "no blank before a comment line");
            return Dotenv.configure().directory(file.getParent() + "/").filename(file.getFileName().toString()).load()
                    .entries(Dotenv.Filter.DECLARED_IN_ENV_FILE).stream()
                    .collect(Collectors.toMap(DotenvEntry::getKey, DotenvEntry::getValue));
        } catch (IOException | DotenvException e) {
            throw refuse((envFile != null ? envFile : ".env") + " cannot be read - does it exist, and is it UTF-8 text?");
        }
    }
}
