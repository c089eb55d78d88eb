///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS io.github.cdimascio:dotenv-java:3.2.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:CompileThresholdScaling=3 -XX:+UseSerialGC -XX:-UsePerfData -Xmn32m -Xlog:disable
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
import com.mongodb.ServerCursor;
import com.mongodb.client.ChangeStreamIterable;
import com.mongodb.client.MongoChangeStreamCursor;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.model.Aggregates;
import com.mongodb.client.model.Filters;
import com.mongodb.client.model.changestream.ChangeStreamDocument;
import com.mongodb.client.model.changestream.FullDocument;
import com.mongodb.client.model.changestream.FullDocumentBeforeChange;
import com.mongodb.client.model.changestream.TruncatedArray;
import com.mongodb.connection.ClusterType;
import com.mongodb.connection.ServerDescription;
import io.github.cdimascio.dotenv.Dotenv;
import io.github.cdimascio.dotenv.DotenvEntry;
import io.github.cdimascio.dotenv.DotenvException;
import org.bson.BsonDocument;
import org.bson.BsonDocumentReader;
import org.bson.BsonDocumentWriter;
import org.bson.BsonTimestamp;
import org.bson.Document;
import org.bson.codecs.Codec;
import org.bson.codecs.DecoderContext;
import org.bson.codecs.DocumentCodec;
import org.bson.codecs.EncoderContext;
import org.bson.conversions.Bson;
import org.bson.json.JsonMode;
import org.bson.json.JsonWriterSettings;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;
import picocli.CommandLine;

import java.io.IOException;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.ReentrantLock;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.nio.file.StandardOpenOption.CREATE;
import static java.nio.file.StandardOpenOption.CREATE_NEW;
import static java.nio.file.StandardOpenOption.READ;
import static java.nio.file.StandardOpenOption.WRITE;

/**
 * Watches the collection of bank customers with five change streams side by side: insert, update, delete, replace, resume.
 *
 * <pre>
 * jbang listener
 * jbang listener --fail-after 3 --fail-for 5
 * jbang listener --token-file listener.token
 * jbang listener --json | jq .event.documentKey
 * </pre>
 *
 * Shows <a href="https://www.mongodb.com/docs/drivers/java/sync/current/logging-monitoring/change-streams/">watch()</a>,
 * <a href="https://www.mongodb.com/docs/manual/changeStreams/#modify-change-stream-output">filters that run on the server</a>
 * and <a href="https://www.mongodb.com/docs/manual/changeStreams/#resume-a-change-stream">resuming without losing a change</a>.
 * What an event holds: <a href="https://www.mongodb.com/docs/manual/reference/change-events/">Change Events</a>.
 * To read: first the five streams, then {@link Watch}, which keeps each of them alive.
 */
@Command(name = "listener", mixinStandardHelpOptions = true, version = "listener 1.0", description = {
        "Shows what happens to the bank customers, as it happens: five change streams, each with a filter of its own.",
        "The resume stream breaks off after every few events and goes on where it stopped. Ctrl-C ends it.",
        "Example: jbang listener --fail-after 3 --fail-for 5",
        "         jbang listener --token-file listener.token"})
class listener implements Callable<Integer> {

    enum Scope { COLLECTION, DATABASE, DEPLOYMENT }

    enum Then { STOP, CONTINUE }

    enum Color { ALWAYS, NEVER, AUTO }

    @Option(names = "--fail-after", defaultValue = "5", paramLabel = "N",
            description = "The resume stream fails after so many events, 0: never. Default: ${DEFAULT-VALUE}.")
    int failAfter;

    @Option(names = "--fail-for", defaultValue = "10", paramLabel = "SECONDS",
            description = "and stays closed for so long, up to 3600. Default: ${DEFAULT-VALUE}.")
    BigDecimal failFor;

    @Option(names = "--token-file", paramLabel = "FILE", description = "Keep the resume tokens in this file, and go on after "
            + "them at the next start; in .env: RESUME_TOKEN_FILE. Without it each start begins with what happens next.")
    String tokenFile;

    @Option(names = "--on-history-lost", defaultValue = "stop", paramLabel = "WHAT", description = "When the oplog no longer "
            + "holds what comes next: stop, or continue with what happens from now on. Default: ${DEFAULT-VALUE}.")
    Then onHistoryLost;

    @Option(names = "--on-save-failure", defaultValue = "stop", paramLabel = "WHAT", description = "When the token file "
            + "cannot be written: stop, or continue and try again. Default: ${DEFAULT-VALUE}.")
    Then onSaveFailure;

    @Option(names = "--scope", defaultValue = "collection", paramLabel = "SCOPE",
            description = "What to watch: collection, database or deployment, which is all databases. Default: ${DEFAULT-VALUE}.")
    Scope scope;

    @Option(names = "--json", description = "One JSON object per event (stream, event, token), notices on standard error.")
    boolean json;

    @Option(names = "--color", defaultValue = "auto", paramLabel = "WHEN",
            description = "always, never, or auto: on a terminal, unless NO_COLOR is set. Default: ${DEFAULT-VALUE}.")
    Color color;

    static final Codec<ChangeStreamDocument<Document>> EVENTS =
            ChangeStreamDocument.createCodec(Document.class, MongoClientSettings.getDefaultCodecRegistry());

    MongoClient client;
    boolean preImages;
    int awaitMillis = 3000;
    TokenFile tokens;
    final PrintStream out = System.out;  // of the events; with --json notices go elsewhere
    final AtomicReference<String> failure = new AtomicReference<>();
    volatile boolean incomplete;
    boolean noAnswer;

    public static void main(String... args) {
        new listener().run(args);
    }

    @Override
    public Integer call() throws InterruptedException {
        check("--fail-after", failAfter, 0, Integer.MAX_VALUE);
        check("--fail-for", failFor.doubleValue(), 0, 3600);
        if (json) System.setOut(System.err);
        try (MongoClient connected = connect(); TokenFile file = new TokenFile(setting(tokenFile, "RESUME_TOKEN_FILE", ""))) {
            client = connected;
            tokens = file;
            Integer socketTimeout = new ConnectionString(setting(uri, "MONGODB_ATLAS_URL", "")).getSocketTimeout();
            if (socketTimeout != null && socketTimeout > 0)  // an empty answer has to come before that
                awaitMillis = Math.min(awaitMillis, Math.max(1, socketTimeout / 2));
            preImages = client.getClusterDescription().getServerDescriptions().stream().filter(ServerDescription::isOk)
                    .allMatch(server -> server.getMaxWireVersion() >= 17);  // MongoDB 6.0; older ones do not know the option
            banner("Change Stream Listener", "Change Stream Events currently monitored:", "Insert, Update, Delete, Replace",
                    "Resume functionality is a separate thread");
            System.out.println("Starting Change Stream Listener.");
            List<Watch> streams = List.of(new Inserts(), new Updates(), new Deletes(), new Replaces(), new Resumes());
            tokens.load(streams);
            for (Watch stream : streams)
                if (failure.get() == null) stream.opens();  // from here on it misses nothing
            if (failure.get() == null) tokens.save();
            if (failure.get() != null) return fail(1, failure.get());
            for (Watch stream : streams) {
                System.out.println(stream.title + " listener thread started.\n==" + stream.filter);
                stream.start();
            }
            while (pause(0.25)) {
                tokens.save();
                listenForAnswers(streams);
            }
            for (Watch stream : streams) stream.halt();
            tokens.finish();
            for (Watch stream : streams) {
                System.out.println(stream.summary());
                incomplete |= !stream.complete();
            }
        }
        if (failure.get() != null) return fail(1, failure.get());
        if (incomplete) Runtime.getRuntime().halt(1);  // Ctrl-C has begun an exit with 130, which a return cannot change
        return 0;
    }

    /** A server that hangs breaks no connection: the streams would go quiet, so it is said here. */
    void listenForAnswers(List<Watch> streams) {
        long now = System.nanoTime();
        boolean waiting = streams.stream().map(stream -> stream.askedAt)
                .anyMatch(asked -> asked != null && now - asked > TimeUnit.SECONDS.toNanos(5));
        if (waiting != noAnswer) System.out.println(waiting ? "No answer from MongoDB for 5 s, waiting for it." : "MongoDB answers again.");
        noAnswer = waiting;
    }

    // ===== The streams, what each lets through and what it shows =====

    /** New customers whose checking account is below zero. */
    class Inserts extends Watch {
        Inserts() {
            super("Insert", "Checking Accounts with negative balance.", "INSERT EVENT", "fg(34)",
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
            return headline(event) + "Checking Account with negative balance!"
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
                    "UPDATE EVENT", "fg(33)", Filters.and(Filters.eq("operationType", "update"), MORE_THAN_THE_COUNTER));
        }

        @Override
        ChangeStreamIterable<Document> changes() {
            ChangeStreamIterable<Document> stream = super.changes().fullDocument(FullDocument.UPDATE_LOOKUP);
            return preImages ? stream.fullDocumentBeforeChange(FullDocumentBeforeChange.WHEN_AVAILABLE) : stream;
        }

        /** The looked-up document is the customer of this moment, not of the update: the balance is the one that was written. */
        @Override
        String show(ChangeStreamDocument<Document> event) {
            Document written = plain(event.getUpdateDescription().getUpdatedFields());
            List<?> now = accounts(event.getFullDocument()), before = accounts(event.getFullDocumentBeforeChange());
            List<String> blocks = new ArrayList<>();
            for (String field : written.keySet()) {
                Matcher balance = BALANCE.matcher(field);
                if (!balance.matches()) continue;
                int n = Integer.parseInt(balance.group(1));
                String type = account(now.isEmpty() ? before : now, n).get("type") instanceof String word && !word.isEmpty()
                        ? Character.toUpperCase(word.charAt(0)) + word.substring(1) + " " : "";
                Object old = account(before, n).get("balance");
                boolean less = old instanceof Number from && written.get(field) instanceof Number to
                        && to.doubleValue() < from.doubleValue();
                blocks.add(headline(event) + type + "Account " + (less ? "Withdrawal" : "Deposit")
                        + "\nCustomer: " + name(event) + "\nUpdated " + type + "Balance to: " + written.get(field)
                        + (old == null ? "" : " (before: " + old + ")"));
            }
            if (blocks.isEmpty()) {
                List<String> changed = new ArrayList<>(written.keySet());
                changed.addAll(event.getUpdateDescription().getRemovedFields());
                List<TruncatedArray> cut = event.getUpdateDescription().getTruncatedArrays();
                if (cut != null) cut.forEach(array -> changed.add(array.getField()));
                blocks.add(headline(event) + "Customer edited\nCustomer: " + name(event)
                        + "\nChanged fields: " + String.join(", ", changed));
            }
            return String.join("\n\n", blocks);
        }
    }

    class Deletes extends Watch {
        Deletes() {
            super("Delete", "All delete operations.", "DELETE EVENT", "fg(160)", Filters.eq("operationType", "delete"));
        }

        @Override
        ChangeStreamIterable<Document> changes() {
            return preImages ? super.changes().fullDocumentBeforeChange(FullDocumentBeforeChange.WHEN_AVAILABLE) : super.changes();
        }

        @Override
        String show(ChangeStreamDocument<Document> event) {
            return headline(event) + "Customer deleted from collection: " + event.getNamespace().getCollectionName()
                    + "\nCustomer _id: " + id(event)
                    + (event.getFullDocumentBeforeChange() == null ? "" : "\nCustomer: " + name(event));
        }
    }

    class Replaces extends Watch {
        Replaces() {
            super("Replace", "Replace operation typically from MongoDB Compass.", "REPLACE EVENT", "fg(134)",
                    Filters.eq("operationType", "replace"));
        }

        @Override
        String show(ChangeStreamDocument<Document> event) {
            return headline(event) + "Did this change occur in MongoDB Compass?\n"
                    + whole(event).toJson(JsonWriterSettings.builder().indent(true).build());
        }
    }

    /** The numbers that resume_update sets: after a failure the stream must go on with the very next one. */
    class Resumes extends Watch {
        /** What has come in each collection: lowest, highest and last counter (none after a drop), missed and repeated ones. */
        final Map<String, Document> counters = new TreeMap<>();

        Resumes() {
            super("Resume", "Updates to checking accts w/ balance greater than 100.", "RESUME EXAMPLE", "fg(172)", Filters.or(
                    Filters.and(Filters.eq("operationType", "update"), Filters.exists("updateDescription.updatedFields.resumeCounter")),
                    // An invalidate event tells a stream on one collection of its end; a wider one goes on without.
                    Filters.in("operationType", scope == Scope.COLLECTION ? List.of() : List.of("drop", "rename", "dropDatabase"))));
        }

        @Override
        String show(ChangeStreamDocument<Document> event) {
            Object counter = plain(event.getUpdateDescription().getUpdatedFields()).get("resumeCounter");
            if (counter instanceof Number n) count(event.getNamespace().getFullName(), n.longValue());
            return headline(event) + "Resume token: " + text(event.getResumeToken()) + "\nCounter value: " + counter;
        }

        void count(String where, long n) {
            Document c = counters.computeIfAbsent(where, ignored ->
                    new Document("lowest", n).append("highest", n).append("missed", 0L).append("repeated", 0L));
            Long last = c.getLong("last");
            if (last != null) c.merge(n <= last ? "repeated" : "missed", n <= last ? 1 : n - last - 1, (a, b) -> (long) a + (long) b);
            c.append("last", n).append("lowest", Math.min(n, c.getLong("lowest"))).append("highest", Math.max(n, c.getLong("highest")));
        }

        @Override
        void shown(ChangeStreamDocument<Document> event) throws InterruptedException {
            if (failAfter == 0 || seen % failAfter != 0) return;
            notice("Resume Counter: " + seen + "\nSimulate failure for " + failFor.toPlainString() + " seconds...");
            close();
            if (!pause(failFor.doubleValue())) return;
            notice("Resume Change Stream closed.\nRestart Change Stream with resume token: " + text(token));
            open();
            notice(proof());
        }

        @Override
        void dropped(String where) {
            counters.forEach((name, counter) -> {
                if ((name + ".").startsWith(where + ".")) counter.remove("last");  // a new collection is numbered from 1 again
            });
        }

        @Override
        boolean complete() {
            return counters.values().stream().allMatch(c -> c.getLong("missed") == 0);
        }

        @Override
        String proof() {
            return counters.entrySet().stream().map(c -> "counters " + (scope == Scope.COLLECTION ? "" : "of " + c.getKey() + " ")
                    + c.getValue().get("lowest") + ".." + c.getValue().get("highest") + ", " + c.getValue().get("missed") + " missed, "
                    + c.getValue().get("repeated") + " repeated").collect(Collectors.joining(", "));
        }

        @Override
        Document state() {
            return super.state().append("counters", counters.entrySet().stream()
                    .map(c -> new Document("collection", c.getKey()).append("counted", new Document(c.getValue()))).toList());
        }

        @Override
        void goOnAfter(Document state) {
            super.goOnAfter(state);
            for (Document c : state.getList("counters", Document.class))
                counters.put(c.getString("collection"), c.get("counted", Document.class));
        }
    }

    // ===== Survival =====

    /** One change stream: what it asks the server for, the loop that reads it, and how it survives what goes wrong. */
    abstract class Watch extends Thread {
        final String title, filter, headline;
        final Bson wanted;
        MongoChangeStreamCursor<ChangeStreamDocument<Document>> cursor;
        BsonDocument token;                    // where it goes on from
        boolean ofAnEvent;                     // the token is that of an event, not of a batch in which nothing matched
        BsonTimestamp time;                    // the cluster time of the last event, or of the beginning
        BsonTimestamp mayBeKnown;              // up to here an earlier listener may have shown events and not saved their token
        final StringBuilder pending = new StringBuilder();
        volatile Document onScreen;            // the state after the last event that was printed
        long seen, again;
        Long awaySince;                        // in nanoseconds; null: MongoDB answers
        double wait = 0.2;
        volatile Long askedAt;                 // in nanoseconds; null: the server owes no answer
        final ReentrantLock busy = new ReentrantLock();  // held by the stream, but while it waits for the server

        Watch(String title, String filter, String headline, String style, Bson wanted) {
            super(title + " listener");
            this.title = title;
            this.filter = filter;
            this.headline = paint("bold," + style, "=== " + headline + " ===");
            this.wanted = wanted;
        }

        abstract String show(ChangeStreamDocument<Document> event);

        void shown(ChangeStreamDocument<Document> event) throws InterruptedException { }

        void dropped(String where) { }

        String proof() {
            return "";
        }

        boolean complete() {
            return true;
        }

        String summary() {
            return title + " stream closed, events seen: " + seen + (again == 0 ? "" : ", " + again + " of them perhaps again")
                    + (proof().isEmpty() ? "" : ", " + proof());
        }

        /** The filter must let invalidate through: only with the token of that event can a stream go on after a drop. */
        ChangeStreamIterable<Document> changes() {
            return watch(Filters.or(wanted, Filters.eq("operationType", "invalidate")))
                    .maxAwaitTime(awaitMillis, TimeUnit.MILLISECONDS)  // when nothing happens; what happens comes at once
                    .batchSize(1000);  // a batch is decoded whole: not 16 MB at once
        }

        @Override
        public void run() {
            busy.lock();
            try {
                while (pause(0)) {
                    try {
                        if (cursor == null) open();
                        read();
                        wait = 0.2;
                    } catch (MongoException e) {
                        close();
                        if (lost(e)) historyLost(e);
                        else if (passes(e)) waitForMongoDB(e);
                        else throw e;
                    }
                }
            } catch (Exception | Error e) {  // one stream that is lost ends them all: nobody shall believe that it still listens
                fatal(e);
            } finally {
                flush();
                close();
                busy.unlock();
            }
        }

        /** Lets the stream finish what it is showing. What the server still sends is left to the next listener. */
        void halt() {
            busy.lock();
            flush();
        }

        void opens() {
            try {
                try {
                    open();
                } catch (MongoException e) {
                    if (!lost(e)) throw e;
                    historyLost(e);
                    open();
                }
            } catch (MongoException | IllegalStateException e) {
                fatal(e);
            }
        }

        /** Opens the stream after its token (startAfter is resumeAfter that also goes on after an invalidate), or from now on. */
        void open() {
            if (time == null) {  // until its first reading a stream has no token, only the time
                time = client.getDatabase(database).runCommand(new Document("ping", 1)).get("operationTime", BsonTimestamp.class);
                cursor = changes().cursor();
            } else {
                cursor = (token == null ? changes().startAtOperationTime(time) : changes().startAfter(token)).cursor();
                probe();
            }
            flush();
            if (awaySince != null) resumed("MongoDB is back, going on with the resume token.");
            awaySince = null;
        }

        void close() {
            askedAt = null;
            if (cursor != null) cursor.close();
            cursor = null;
        }

        /**
         * After the token of an event that has left the oplog, a stream opens and looks healthy: only its next event fails
         * (280). Starting at the time of that event is refused at once, so we ask for that, with a filter that nothing passes.
         */
        void probe() {
            if (token != null && ofAnEvent) watch(Filters.eq("operationType", "none")).startAtOperationTime(time).cursor().close();
        }

        /** Shows the next event, if one comes within maxAwaitTime. */
        void read() throws InterruptedException {
            ServerCursor before = cursor.getServerCursor();
            ChangeStreamDocument<Document> event;
            askedAt = System.nanoTime();
            busy.unlock();
            try {
                event = cursor.tryNext();
            } finally {
                busy.lock();
                askedAt = null;
            }
            ServerCursor after = cursor.getServerCursor();
            if (event == null && after == null) throw new MongoException("the server closed the stream without a reason");
            if (before != null && after != null && before.getId() != after.getId()) {
                if (event == null) probe();
                resumed("broken off, and resumed by the driver with the resume token.");
            }
            token = cursor.getResumeToken();  // moves on without an event, too: a token that never moves gets too old
            ofAnEvent = event != null && token.equals(event.getResumeToken());
            if (event == null) {
                flush();
                return;
            }
            time = event.getClusterTime();
            switch (event.getOperationType()) {
                case INVALIDATE -> {
                    say((scope == Scope.DATABASE ? "database " + database : "collection " + collection)
                            + " was dropped or renamed, going on after that.");
                    dropped(watched());
                    close();
                }
                case DROP, RENAME -> dropped(event.getNamespace().getFullName());
                case DROP_DATABASE -> dropped(event.getDatabaseName());
                default -> print(event);
            }
        }

        /** In a burst many blocks are one print, but nothing waits: what has come is on the screen before we ask for more. */
        void print(ChangeStreamDocument<Document> event) throws InterruptedException {
            seen++;
            if (known(event.getClusterTime())) again++;
            try {
                String block = show(event);  // also counts
                pending.append(json ? json(event) : block + "\n").append('\n');
            } catch (RuntimeException e) {
                fail(1, title + " stream: an event cannot be shown, _id " + text(event.getResumeToken()) + ": " + e);
            }
            if (cursor.available() == 0 || pending.length() > 50_000) flush();
            shown(event);
        }

        void flush() {
            if (!pending.isEmpty()) {
                tokens.mark(this);
                out.print(pending);
                pending.setLength(0);
            }
            if (out.checkError()) stop.countDown();  // nobody reads it any more, as with | head
            else onScreen = state();
        }

        void notice(String text) {
            flush();
            System.out.println(paint("bold", text));
        }

        void say(String text) {
            notice(title + " stream: " + text);
        }

        void resumed(String how) {
            say(how);
            if (!proof().isEmpty()) notice(proof());
        }

        /** The driver resumes a stream by itself, once. If MongoDB is away for longer, we go on asking, less and less often. */
        void waitForMongoDB(MongoException e) throws InterruptedException {
            if (awaySince == null) {
                awaySince = System.nanoTime();
                say(explain(e.getCause() instanceof MongoException cause ? cause : e).replaceFirst(" - .*", ""));
            } else {
                say(String.format(Locale.ROOT, "waiting for MongoDB since %.0f s", (System.nanoTime() - awaySince) / 1e9));
            }
            pause(wait);
            wait = Math.min(10, wait * 2);
        }

        /** What came in between is gone from the oplog: that is said, and whether to go on without it is the user's choice. */
        void historyLost(MongoException e) {
            incomplete = true;
            String lost = "history lost (error " + e.getCode() + "): MongoDB no longer has the changes after "
                    + at(time.getTime()) + " (the stream's last event, or its start); what happened from then to now, "
                    + at((int) (System.currentTimeMillis() / 1000)) + ", may be missing";
            String remedy = "a larger oplog, and a listener that is kept running, prevent it";
            if (onHistoryLost == Then.STOP)
                throw new IllegalStateException(lost + " - " + remedy + "; to go on from now: --on-history-lost continue");
            token = null;
            time = null;
            resumed(lost + ".\nGoing on from now; " + remedy + ".");
        }

        void fatal(Throwable e) {
            String what = e instanceof IllegalStateException ? e.getMessage()
                    : e instanceof MongoException large && large.getCode() == 10334 ? "an event is larger than 16 MB, and the stream "
                    + "cannot get past it - keep documents smaller, or add $changeStreamSplitLargeEvent (MongoDB 6.0.9) to its pipeline"
                    : e instanceof Exception exception ? explain(exception) : e.toString();
            if (failure.compareAndSet(null, title + " stream: " + what) && verbose) e.printStackTrace();
            stop.countDown();
        }

        /** Where the stream is, for the token file. */
        Document state() {
            return new Document("token", token).append("ofAnEvent", ofAnEvent).append("time", time);
        }

        void goOnAfter(Document state) {
            token = state.get("token") == null ? null : state.get("token", Document.class).toBsonDocument();
            if (token != null && !token.getString("_data").getValue().matches("\\p{XDigit}+"))
                throw new IllegalArgumentException("no resume token");
            ofAnEvent = state.getBoolean("ofAnEvent");
            time = state.get("time", BsonTimestamp.class);
        }

        String headline(ChangeStreamDocument<Document> event) {
            return headline + (scope == Scope.COLLECTION ? "" : "\nCollection: " + event.getNamespace().getFullName())
                    + (known(event.getClusterTime()) ? "\n(again: it may have been shown before the listener broke off)" : "") + "\n";
        }

        /** After a kill, what was shown and not yet saved comes again. */
        boolean known(BsonTimestamp time) {
            return mayBeKnown != null && time.compareTo(mayBeKnown) <= 0;
        }

        String json(ChangeStreamDocument<Document> event) {
            return new Document("stream", title).append("event", whole(event)).append("token", event.getResumeToken())
                    .append("again", known(event.getClusterTime())).toJson();
        }
    }

    /** A broken connection, a restarted server, a new primary: errors after which the same stream can be opened again. */
    static boolean passes(MongoException e) {
        return e instanceof MongoSocketException || e instanceof MongoTimeoutException || e instanceof MongoConnectionPoolClearedException
                || e instanceof MongoNotPrimaryException || e instanceof MongoNodeIsRecoveringException
                || e instanceof MongoCursorNotFoundException || e.hasErrorLabel("ResumableChangeStreamError");
    }

    /** CappedPositionLost while reading, ChangeStreamFatalError (the token was not found), ChangeStreamHistoryLost. */
    static boolean lost(MongoException e) {
        return Set.of(136, 280, 286).contains(e.getCode());
    }

    /**
     * Keeps the state of each stream, as it is on the screen, for the next start. The file is replaced as a whole. In FILE.lock,
     * held as long as we run, stands for each stream the time up to which it is about to show events: one that was killed
     * between showing and saving shows them again, and can say so.
     */
    class TokenFile implements AutoCloseable {
        final Path file;
        FileChannel lock;
        List<Watch> streams;
        Map<String, Document> saved;
        Instant savedAt;
        boolean failing;

        TokenFile(String name) {
            if (name.isEmpty()) {
                file = null;
                return;
            }
            try {
                Path path = Path.of(name).toAbsolutePath();
                file = Files.exists(path) ? path.toRealPath() : path;
                if (Files.isDirectory(file)) throw new IOException("it is a folder");
                lock = FileChannel.open(beside(".lock"), Set.of(CREATE, READ, WRITE), ownerOnly());
                if (lock.tryLock() == null)
                    throw refuse("another listener uses the token file " + file + " - end it, or give this one a file of its own");
            } catch (IOException | InvalidPathException e) {
                throw refuse("the token file " + name + " cannot be written (" + brief(e) + ") - name a file in a folder of yours");
            }
        }

        void load(List<Watch> all) {
            streams = all;
            if (file == null) return;
            try {
                if (Files.notExists(file)) {
                    lock.truncate(0);  // of another file, which is gone
                    return;
                }
                Document found = Document.parse(Files.readString(file));
                if (!found.getString("watched").equals(watched()))
                    throw refuse("the token file " + file + " belongs to a listener on " + found.getString("watched") + ", not on "
                            + watched() + " - give this one a file of its own");
                ByteBuffer marks = ByteBuffer.allocate(8 * streams.size());
                lock.read(marks, 0);
                for (Watch stream : streams) {
                    stream.goOnAfter(found.get("streams", Document.class).get(stream.title, Document.class));
                    stream.mayBeKnown = new BsonTimestamp(marks.getLong(8 * streams.indexOf(stream)));
                }
                savedAt = found.getDate("saved").toInstant();
                System.out.println("Going on after the resume tokens in " + file + ", saved " + savedAt);
            } catch (ParameterException e) {
                throw e;
            } catch (IOException | RuntimeException e) {
                throw refuse("the token file " + file + " is empty, damaged or no token file - it is left as it is; "
                        + "move it away to start with what happens next");  // never with what it holds
            }
        }

        /** Before the events of a stream are printed; where it ends up in case of a kill -9, no fsync is needed. */
        void mark(Watch stream) {
            if (file == null) return;
            try {
                BsonTimestamp upTo = stream.known(stream.time) ? stream.mayBeKnown : stream.time;  // never back
                lock.write(ByteBuffer.allocate(8).putLong(0, upTo.getValue()), 8L * streams.indexOf(stream));
            } catch (IOException e) {
                failed(e);
            }
        }

        /** Writes, syncs and renames, so that a crash at any moment leaves the old file or the new one. */
        void save() {
            if (file == null) return;
            Map<String, Document> now = new TreeMap<>();
            for (Watch stream : streams) now.put(stream.title, stream.onScreen);
            if (now.equals(saved)) return;
            try {
                Date date = new Date();
                Document content = new Document("watched", watched()).append("saved", date).append("streams", now);
                Path temporary = beside(".tmp");
                Files.deleteIfExists(temporary);
                try (FileChannel channel = FileChannel.open(temporary, Set.of(CREATE_NEW, WRITE), ownerOnly())) {
                    ByteBuffer text = UTF_8.encode(content.toJson(JsonWriterSettings.builder().outputMode(JsonMode.EXTENDED)
                            .indent(true).build()) + "\n");
                    while (text.hasRemaining()) channel.write(text);
                    channel.force(true);
                }
                Files.move(temporary, file, StandardCopyOption.ATOMIC_MOVE);
                try (FileChannel folder = FileChannel.open(file.getParent(), READ)) {
                    folder.force(true);
                } catch (IOException e) { }  // Windows opens no folders, and needs no such thing
                saved = now;
                savedAt = date.toInstant();
                if (failing) System.out.println("The resume tokens are saved again.");
                failing = false;
            } catch (IOException e) {
                failed(e);
            }
        }

        void failed(IOException e) {
            String what = "the resume tokens cannot be saved in " + file + " (" + brief(e) + ") - make room for it; a next start would "
                    + (savedAt == null ? "not know where to go on" : "show again what came after " + savedAt);
            if (onSaveFailure == Then.STOP) {
                failure.compareAndSet(null, what);
                stop.countDown();
            } else if (!failing) {
                fail(1, what + "; going on, and trying again");
            }
            failing = true;
        }

        void finish() {
            save();
            incomplete |= failing;
            try {
                if (file != null && !failing && !out.checkError()) lock.truncate(0);  // nothing was shown that is not saved
            } catch (IOException e) {
                failed(e);
            }
        }

        Path beside(String suffix) {
            return file.resolveSibling(file.getFileName() + suffix);
        }

        FileAttribute<?>[] ownerOnly() {
            return file.getFileSystem().supportedFileAttributeViews().contains("posix") ? new FileAttribute<?>[]{
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))} : new FileAttribute<?>[0];
        }

        static String brief(Exception e) {
            return e.toString().replaceFirst("^[\\w.$]*\\.", "");
        }

        @Override
        public void close() {
            try {
                if (file != null) lock.close();
            } catch (IOException e) { }  // it was released all the same
        }
    }

    ChangeStreamIterable<Document> watch(Bson filter) {
        List<Bson> pipeline = List.of(Aggregates.match(filter));
        return switch (scope) {
            case COLLECTION -> client.getDatabase(database).getCollection(collection).watch(pipeline);
            case DATABASE -> client.getDatabase(database).watch(pipeline);
            case DEPLOYMENT -> client.watch(pipeline);
        };
    }

    String watched() {
        return scope == Scope.COLLECTION ? database + "." + collection : scope == Scope.DATABASE ? database : "all databases";
    }

    static List<?> accounts(Document customer) {
        return customer != null && customer.get("accounts") instanceof List<?> accounts ? accounts : List.of();
    }

    static Document account(List<?> accounts, int n) {
        return n < accounts.size() && accounts.get(n) instanceof Document account ? account : new Document();
    }

    static String name(ChangeStreamDocument<Document> event) {
        Document customer = Stream.of(Optional.ofNullable(event.getFullDocument()), Optional.ofNullable(event.getFullDocumentBeforeChange()))
                .flatMap(Optional::stream).findFirst().orElseGet(Document::new);
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

    static BsonDocument whole(ChangeStreamDocument<Document> event) {
        BsonDocument whole = new BsonDocument();
        EVENTS.encode(new BsonDocumentWriter(whole), event, EncoderContext.builder().build());
        return whole;
    }

    static String text(BsonDocument token) {
        return token.toJson().replace('"', '\'');
    }

    static String at(int seconds) {
        return Instant.ofEpochSecond(Integer.toUnsignedLong(seconds)).toString();
    }

    String paint(String style, String text) {
        boolean on = !json && (color == Color.ALWAYS || color == Color.AUTO && Ansi.AUTO.enabled());
        return on ? Ansi.Style.on(Ansi.Style.parse(style)) + text + Ansi.Style.off(Ansi.Style.parse(style)) : text;
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
                    return fail(2, mask(e.getMessage()) + (meant.isEmpty() ? "" : " - did you mean " + String.join(" or ", meant) + "?")
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
        if (e instanceof MongoNodeIsRecoveringException)
            return "MongoDB has no primary at the moment (" + message + ") - run it again in a minute";
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
