///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS com.googlecode.lanterna:lanterna:3.1.3
//SOURCES ../delete.java ../insert.java ../listener.java ../reset.java ../resume_update.java ../update.java
//SOURCES Stage.java mongod.java replace.java sandbox.java
//FILES card.txt
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m

import com.mongodb.*;
import com.mongodb.client.*;
import io.github.cdimascio.dotenv.Dotenv;
import java.io.*;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.locks.LockSupport;
import java.util.function.*;
import java.util.stream.*;
import org.bson.Document;
import picocli.CommandLine;
import picocli.CommandLine.*;

import static com.googlecode.lanterna.TerminalTextUtils.getWordWrappedText;
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.*;

/**
 * The show: runs the scripts, and puts side by side what they write and what the listener hears of it.
 *
 * <p>One thread plays the steps, and one reads each script; the main thread draws what they put on the stage.
 */
@Command(name = "demo", mixinStandardHelpOptions = true, version = "demo 1.0", sortOptions = false,
    description = "Shows change streams from end to end: scripts write, and the listener shows it.",
    footer = {"", "Keys:", Stage.KEYS, "",
        "Exit codes: 0 nothing was missed, 1 not so, 2 wrong usage, 130 Ctrl-C or q."})
class demo extends Stage implements Callable<Integer> {

    @Option(names = "--speed", paramLabel = "N", description = "N times as fast, 1 to 99.") int speed = 1;
    @Option(names = "--mongod", description = "Play on three nodes of a real MongoDB, and kill the primary.")
    boolean mongod;
    @Option(names = "--uri", arity = "0..1", fallbackValue = "", description = {
        "Play on this MongoDB, in a database of its own, which is dropped at the end. Without a value: on "
        + "the one that MONGODB_ATLAS_URL names in the environment or .env. Keep a password there, for "
        + "options can be read in the list of processes."})
    String uri;

    // ===== The steps: title, a sentence, whose filter is shown, what happens =====

    List<Step> plan() {
        String where = mongod ? "on three nodes of a real MongoDB."
            : "in an in-memory stand-in for MongoDB. --uri plays it on yours.";
        if (uri != null) where = "on your MongoDB, in a database that is dropped at the end.";
        List<Step> plan = new ArrayList<>(List.of(
            new Step("A collection to watch", "Bank customers, " + where, null,
                () -> write("reset --pre-images")),
            new Step("The listener opens five change streams",
                "Each has a filter, which MongoDB applies: what does not match is not sent.", null,
                () -> listen("listener --json --fail-after 8 --fail-for " + Math.max(1, 3 / speed))),
            new Step("Inserts", "Only customers whose checking account is below 0 are sent.", Kind.INSERT,
                () -> write("insert --records 22 --seed 206 --delay " + faster(0.25))),
            new Step("Deposits", "$100 for each of five. The balance before it is from the pre-image.",
                Kind.UPDATE, () -> write("update --limit 5 --delay " + faster(0.8))),
            new Step("Deletes", "A delete event holds the _id, no more. The name is from the pre-image.",
                Kind.DELETE, () -> write("delete --limit 3 --delay " + faster(0.8))),
            new Step("A replacement",
                "As in the JSON view of MongoDB Compass: the event has the whole new customer.", Kind.REPLACE,
                () -> write("replace")),
            new Step("A stream that fails and resumes",
                "After 8 it is closed, and the writer goes on. By the token of 8, 9 comes next.", Kind.RESUME,
                () -> write("resume_update --limit 11 --delay " + faster(0.8)))));
        if (mongod) plan.add(new Step("The primary dies",
                "Nobody can write until the other two nodes have elected a new primary.", Kind.RESUME,
                () -> killPrimary("resume_update --limit 3 --delay 0.8")));  // not faster: it dies between two
        else if (uri == null) plan.add(new Step("The network fails",
                "The listener is cut off. What is written meanwhile comes after that.", Kind.RESUME,
                () -> cutNetwork("resume_update --limit 3 --delay " + faster(0.5))));
        plan.add(new Step("The listener ends", "What should be shown, and what was.", null, this::sumUp));
        return plan;
    }

    String faster(double delay) { return String.format(Locale.ROOT, "%.2f", Math.max(0.01, delay / speed)); }

    Void play() throws Exception {
        steps = plan();
        setUp();
        try {
            for (int n = 1; n <= steps.size(); n++) {
                begin(n);
                look(3.0 / speed);
                step.play().run();
                await(60, () -> Stream.of(Kind.values()).allMatch(kind -> kind.shown >= kind.written));
                if (number > 1 && step.kind() != Kind.DELETE && step.kind() != Kind.REPLACE) snap();
                look(2.0 / speed);
            }
        } catch (Exception e) {
            Thread.sleep(300); // who pressed Ctrl-C has ended the scripts first
            if (over) Thread.currentThread().join();
            if (!(e instanceof TimeoutException)) throw e;
            begin(steps.size()); // an event does not come, or the listener has ended
            sumUp();
        }
        if (picture != null) Files.writeString(picture, svg());
        return null;
    }

    /** A bad network: what the streams ask for is not answered, their connections are closed. */
    void cutNetwork(String writer) throws Exception {
        network("alwaysOn", "--- The listener's network is cut");
        fall(CUT);
        await(60, () -> notice.startsWith("No answer")); // until then one that was asked for may still come
        write(writer);
        network("off", "--- The network is back");
        await(60, () -> failure == null);
    }

    void network(String mode, String line) {
        database("admin").runCommand(Document.parse("{configureFailPoint: 'failCommand', mode: '" + mode
            + "', data: {failCommands: ['aggregate', 'getMore'], closeConnection: true}}"));
        put(WRITER, "", () -> in(BOLD, line));
    }

    void killPrimary(String writer) throws Exception {
        Document hello = database("admin").runCommand(new Document("isMaster", 1));
        long id = nodes.get(hello.getString("primary"));
        int before = Kind.RESUME.written;
        Run run = start(writer, this::written);
        await(60, () -> Kind.RESUME.written > before && Kind.RESUME.shown >= Kind.RESUME.written);
        ProcessHandle.of(id).ifPresent(ProcessHandle::destroyForcibly);
        put(WRITER, "", () -> in(BOLD, "--- kill -9 " + id + ", the primary"));
        fall(KILLED);
        finish(run);
        await(60, () -> failure == null);
    }

    // ===== What the scripts say: a line that is worded anew there fails demo.bats =====

    static final String CLOSED = "STREAM CLOSED", CUT = "NETWORK CUT", KILLED = "NO PRIMARY";
    int exitCode;
    String customer = "";
    volatile String notice = "";
    volatile boolean made; // what is to be dropped
    Kind opened = Kind.INSERT;

    /** Runs a script that writes, to its end. */
    void write(String command) throws Exception { finish(start(command, this::written)); }

    void finish(Run run) throws Exception {
        String lastLine = run.lastLine.join();
        if (run.process.waitFor() != 0) throw new IllegalStateException(lastLine);
    }

    void written(String line) {
        String[] words = line.split(": ", 2);
        switch (words[0]) {
            case "Dropped collection" -> made = true;
            case "Sample record id" -> wrote(null, "a sample", "_id " + MORE + tail(words[1]));
            case "Inserted record" -> { // 3 of 22: ann@example.org, checking -17
                String[] parts = words[1].split(": |, checking ");
                wrote(parts[2].startsWith("-") ? Kind.INSERT : null, parts[1], parts[2]);
            }
            case "Customer" -> {
                customer = words[1];
                if (step.kind() == Kind.REPLACE) wrote(Kind.REPLACE, customer, "replaced");
            }
            case "Added $100 to customer acct with _id" -> wrote(Kind.UPDATE, customer, "+$100");
            case "Customer name" -> wrote(Kind.DELETE, words[1], "deleted");
            case "Counter value" -> wrote(Kind.RESUME, "counter " + words[1], "");
            default -> { }
        }
    }

    synchronized void wrote(Kind kind, String who, String what) {
        if (kind != null) kind.written++;
        String line = columns(LEFT, who, what);
        put(WRITER, who, () -> kind == null ? line : in(BOLD, line));
    }

    void listen(String command) throws Exception {
        listener = start(command, this::heard);
        await(60, () -> notice.startsWith("and invalidate events"));
        slide = filters();
        slide.forEach(this::say);
    }

    void heard(String line) {
        notice = line;
        if (line.startsWith("{\"stream\"")) event(Document.parse(line));
        else if (line.endsWith(" listener thread started.")) opened = Kind.of(line.split(" ")[0]);
        else if (line.startsWith("==")) opened.about = line.substring(2);
        else if (line.startsWith("  ")) opened.filter = (opened.filter + line.substring(1)).strip();
        else if (line.equals("Resume Change Stream closed.")) fall(CLOSED);
        else if (line.startsWith("Restart Change Stream with resume token: ")) rise("");
        else if (line.startsWith("No answer from MongoDB")) fall("NO ANSWER");
        else if (line.startsWith("MongoDB answers again, ")) rise(line.substring(line.indexOf("after ")));
    }

    void event(Document line) {
        Kind kind = Kind.of(line.getString("stream"));
        last = line.get("event", Document.class);
        Document now = last.get("fullDocument", Document.class);
        Document before = last.get("fullDocumentBeforeChange", Document.class);
        Document who = now == null ? before : now;
        String name = who.getString("firstName") + " " + who.getString("lastName");
        Document changed = last.getEmbedded(List.of("updateDescription", "updatedFields"), new Document());
        Object id = last.get("documentKey", Document.class).get("_id");
        String token = last.getEmbedded(List.of("_id", "_data"), String.class);
        for (int n = 0; n < 30 && kind.written <= kind.shown; n++)
            LockSupport.parkNanos(10_000_000); // the writer is about to say so, and comes first
        switch (kind) {
            case INSERT -> shows(kind, now.getString("email"), "checking " + checking(now));
            case UPDATE -> shows(kind, name, "checking " + checking(before) + " -> "
                + changed.values().iterator().next());
            case DELETE, REPLACE -> shows(kind, name, "_id " + MORE + tail(id.toString()));
            case RESUME -> shows(kind, "counter " + changed.get("resumeCounter"),
                "token " + token.substring(0, Math.min(18, token.length())) + MORE);
        }
    }

    static String tail(String id) { return id.substring(Math.max(0, id.length() - 12)); }

    static Object checking(Document customer) {
        return customer.getList("accounts", Document.class).stream()
            .filter(account -> "checking".equals(account.get("type"))).findFirst().orElseThrow()
            .get("balance");
    }

    synchronized void shows(Kind kind, String who, String what) {
        rise("");
        kind.shown++;
        String line = columns(RIGHT - 8, who, what);
        String label = in(kind.style, String.format("%-7s", kind)) + " ";
        put(LISTENER, who, () -> label + in(BOLD, line.substring(0, line.length() - what.length())) + what);
        Date wall = last.getDate("wallTime"); // since MongoDB 6.0, and by the server's clock
        heardFrom(who, uri == null && wall != null ? wall.getTime() : 0);
    }

    /** The last slide, which also stands in the terminal when the screen is gone. */
    void sumUp() {
        listener.process.toHandle().destroy(); // Process.destroy would close its output, too
        String lastLine = listener.lastLine.join();
        List<String> sum = new ArrayList<>(), wrong = new ArrayList<>();
        sum.add(String.format("  %-10s %23s %9s %9s", "Event", "should have been shown", "shown", "missed"));
        for (Kind kind : Kind.values()) {
            int missed = kind.written - kind.shown;
            sum.add(String.format("  %-10s %23d %9d %9d", kind, kind.written, kind.shown, missed));
            if (missed > 0) wrong.add(missed + " " + kind + " missed");
            if (missed < 0) wrong.add(-missed + " " + kind + " shown twice");
        }
        sum.add(String.format("%n  %-26s %-15s %s", "What failed", "was back", "first event then"));
        for (Failure each : failures)
            sum.add(String.format("  %-26s %-15s %s", each.title, each.lasted, each.first));
        String second = mongod ? KILLED : CUT;
        for (String title : uri == null ? List.of(CLOSED, second) : List.of(CLOSED))
            if (failures.stream().noneMatch(each -> each.title.equals(title) && !each.first.isEmpty()))
                wrong.add("not gone through: " + title);
        Collections.sort(latencies);
        if (!latencies.isEmpty())
            sum.add(String.format(
                "%n  From the write to the screen, without failure: %d ms (median), %d (worst)",
                latencies.get(latencies.size() / 2), latencies.get(latencies.size() - 1)));
        sum.add("  " + lastLine);
        if (!lastLine.endsWith(", counters 1.." + Kind.RESUME.written + ", 0 missed, 0 repeated"))
            wrong.add("see the listener's last line");
        exitCode = wrong.isEmpty() ? 0 : 1;
        String verdict = exitCode == 0 ? "Nothing was missed." : "Not as it should be: ";
        for (String line : getWordWrappedText(76, verdict + String.join("; ", wrong)))
            sum.add("  " + in(exitCode == 0 ? GREEN : RED, line));
        slide = sum.stream().flatMap(String::lines).toList();
    }

    // ===== The processes: each script is one of its own, from the jar that this program is in =====

    final String database = "change_stream_demo_" + UUID.randomUUID();
    final List<Run> runs = new CopyOnWriteArrayList<>(); // who started last comes first
    final Map<String, Long> nodes = new HashMap<>(); // of --mongod, and their process ids
    Path work; // where they stand: there is no .env
    String address = "";
    Run server, listener;

    /** A script, and what it will have printed last: known when it has ended and all was read. */
    record Run(Process process, CompletableFuture<String> lastLine) {}

    synchronized Run start(String command, Consumer<String> each) throws IOException {
        if (over) throw new IOException("the show is over");
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        List<String> words = new ArrayList<>(List.of(java, "-XX:TieredStopAtLevel=1", "-Xmn32m",
            "-cp", System.getProperty("java.class.path")));
        words.addAll(List.of(command.split(" ")));
        // Both outputs as one: events and notices come in the order in which they happened.
        ProcessBuilder builder = new ProcessBuilder(words).directory(work.toFile()).redirectErrorStream(true);
        var settings = builder.environment();
        settings.keySet().removeAll(Set.of("RESUME_TOKEN_FILE", "NUM_RECORDS_TO_GENERATE", "CLICOLOR_FORCE"));
        settings.putAll(Map.of("DATABASE", database, "COLLECTION", "accounts", "MONGODB_ATLAS_URL", address));
        for (String line : number == 0 ? List.<String>of() : getWordWrappedText(LEFT, "$ jbang " + command))
            put(WRITER, "", () -> line);
        Process process = builder.start();
        Run run = new Run(process, CompletableFuture.supplyAsync(
            () -> process.inputReader(UTF_8).lines().filter(line -> !line.isBlank()).peek(each)
                .reduce("", (before, line) -> line), reading -> new Thread(reading).start()));
        runs.add(0, run);
        return run;
    }

    void setUp() throws Exception {
        work = Files.createTempDirectory("change-stream-demo-");
        Dotenv dotenv = Dotenv.configure().ignoreIfMissing().ignoreIfMalformed().load();
        if (uri != null) address = uri.isEmpty() ? dotenv.get("MONGODB_ATLAS_URL", "") : uri;
        else server = start((mongod ? "mongod --nodes 3" : "sandbox") + " --port 0", this::served);
        await(600, () -> uri != null || step.sentence().equals("ready"));
    }

    MongoDatabase database(String name) {
        return MongoClients.create(MongoClientSettings.builder()
            .applyToClusterSettings(cluster -> cluster.serverSelectionTimeout(5, SECONDS))
            .applyConnectionString(new ConnectionString(address)).build()).getDatabase(name);
    }

    synchronized void served(String line) {
        if (number == 0) step = new Step("Setting up", line, null, null);
        String[] node = line.split("mongod on port |, process id ");
        if (node.length == 3) nodes.put("127.0.0.1:" + node[1], Long.valueOf(node[2]));
        if (line.startsWith("mongodb://")) address = line;
    }

    /** Waits so many seconds at most, and not when who should do it has ended. */
    void await(int seconds, BooleanSupplier done) throws Exception {
        for (int n = 0; n < seconds * 50; n++) {
            synchronized (this) { if (done.getAsBoolean()) return; }
            CompletableFuture<String> lastLine = (listener == null ? server : listener).lastLine;
            if (lastLine.isDone() && number < 3) throw new IllegalStateException(lastLine.join());
            if (lastLine.isDone()) break;
            Thread.sleep(20);
        }
        throw new TimeoutException();
    }

    void end() {
        synchronized (this) { over = true; }
        try {
            for (Run run : runs) {
                run.process.destroy();
                if (!run.process.waitFor(10, SECONDS)) run.process.destroyForcibly();
            }
            // Only now, for a writer would create it again. The database goes with its only collection.
            if (uri != null && made) database(database).getCollection("accounts").drop();
        } catch (MongoException | InterruptedException e) {
            System.err.println("demo: could not drop the database " + database + " - drop it yourself");
        }
        if (work != null) work.toFile().delete();
    }

    // ===== The command; the screen is in Stage.java =====

    public static void main(String... args) {
        System.exit(new CommandLine(new demo())
            .setParameterExceptionHandler((e, all) -> refuse(2, e.getMessage() + " - see --help"))
            .setExecutionExceptionHandler((e, all, parsed) ->
                refuse(1, Objects.requireNonNullElse(e.getCause(), e).getMessage())).execute(args));
    }

    static int refuse(int exitCode, String message) {
        System.err.println("demo: " + message.replaceAll("(?s)://.*", "://***"));
        return exitCode;
    }

    @Override
    public Integer call() throws Exception {
        if (card) {
            card().forEach(out::println);
            return 0;
        }
        System.setProperty("jdk.console", "java.base"); // or Java 22 to 24 have one in a pipe, too
        boolean terminal = System.console() != null;
        plain |= !terminal || setting("TERM").matches("|dumb");
        if (speed < 1 || speed > 99) return refuse(2, "--speed needs a whole number, 1 to 99");
        if (pause && !terminal) return refuse(2, "--pause needs a terminal");
        if (mongod && uri != null) return refuse(2, "--mongod and --uri do not go together");
        Runtime.getRuntime().addShutdownHook(new Thread(this::end));
        perform(this::play);
        out.println();
        slide.forEach(line -> out.println(plain ? bare(line) : line));
        return exitCode;
    }
}
