///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m

import com.mongodb.client.*;
import com.mongodb.client.model.Aggregates;
import com.mongodb.client.model.changestream.ChangeStreamDocument;
import java.io.IOException;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.Executors;
import java.util.regex.*;
import java.util.stream.*;
import org.bson.Document;
import org.bson.conversions.Bson;

import static com.mongodb.client.model.Filters.*;
import static java.lang.ProcessBuilder.Redirect.INHERIT;
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.*;

/**
 * What test/bench/run measures: the scripts, and side by side the bare driver, PyMongo and mongosh at the same work.
 *
 * <p>The bare driver is this class in a process of its own, with the script's JVM flags and with class data: the same
 * filters, batch size, await time and codec, and next to nothing printed. Each run begins with another of them.
 */
class bench {

    static final int WRITES_A_SECOND = 200;
    static final Map<String, String> ENV = System.getenv();
    static final boolean QUICK = ENV.get("BENCH_SIZE").equals("quick");
    static final int MANY = QUICK ? 1000 : 100_000, RUNS = QUICK ? 1 : 4;
    static final Path WORK = Path.of(ENV.get("BENCH_WORK"));
    static final MongoClient client = MongoClients.create(ENV.get("MONGODB_ATLAS_URL"));
    static final MongoDatabase database = client.getDatabase(ENV.get("DATABASE"));
    static final MongoCollection<Document> customers = database.getCollection(ENV.get("COLLECTION"));

    public static void main(String... work) throws Exception {
        switch (work[0]) {
            case "reset" -> {
                customers.drop();
                customers.insertOne(new Document("firstName", "My First Name"));
            }
            case "insert" -> {
                long start = System.nanoTime();
                insert(MANY, "last@example.org");
                System.out.println("Elapsed (in seconds): " + (System.nanoTime() - start) / 1e9);
            }
            case "listen" -> listen();
            default -> measure();
        }
        System.exit(0);
    }

    static void listen() throws Exception {
        String type = "operationType", counter = "updateDescription.updatedFields.resumeCounter";
        Bson overdrawn = elemMatch("fullDocument.accounts", and(eq("type", "checking"), lt("balance", 0)));
        for (Bson filter : List.of(and(eq(type, "insert"), overdrawn), eq(type, "delete"), eq(type, "replace"),
                and(eq(type, "update"), exists(counter, false)), and(eq(type, "update"), exists(counter)))) {
            var changes = customers.watch(List.of(Aggregates.match(or(filter, eq(type, "invalidate")))))
                    .batchSize(1000).maxAwaitTime(3, SECONDS).cursor();
            new Thread(() -> {
                while (true) {
                    ChangeStreamDocument<Document> event = changes.tryNext();
                    String email = event == null ? "" : event.getFullDocument().getString("email");
                    if (email.startsWith("show")) System.out.println("Emailing user: " + email);
                }
            }).start();
        }
        System.out.println("Resume listener thread started");
        Thread.currentThread().join();
    }

    /** An overdrawn customer of the shape and size of those of insert.java. */
    static Document customer(String email) {
        return Document.parse("""
                {firstName: "Terrance", lastName: "Hagenes", mobileNumber: "(612) 346-3270", birthDate: "07-14-1986",
                 phoneNumbers: [{type: "mobile", number: "(612) 346-3270"}, {type: "home", number: "(713) 602-9184"}],
                 address: {street: "26731 Kuhn Rapid", city: "North Sharonda", state: "Rhode Island", zip: "41277"},
                 accounts: [{type: "savings", accountNumber: "6771-8909-8233-1184", interestRate: 3.4, balance: 1203},
                   {type: "checking", accountNumber: "4556-1203-7781-2210", overdraftLimit: 4411, balance: -100}]}""")
                .append("email", email);
    }

    static void insert(int count, String last) {
        Document customer = customer("terrance.hagenes@example.org");
        for (int from = 0; from < count; from += 1000)
            customers.insertMany(IntStream.range(from, Math.min(count, from + 1000))
                    .mapToObj(i -> i == count - 1 ? customer(last) : new Document(customer)).toList());
    }

    /** The command for a work: reset, insert or listen. */
    interface Command {
        List<String> of(String work) throws Exception;
    }

    record Contender(String name, Command command) {

        Process start(String work) throws Exception {
            Process process = new ProcessBuilder(command.of(work)).redirectError(INHERIT).start();
            if (work.equals("listen")) await(process, "Resume listener thread started");
            return process;
        }
    }

    static List<String> script(String work) {
        return switch (work) {
            case "reset" -> List.of("test/jbang", "reset.java");
            case "insert" -> List.of("test/jbang", "insert.java", "--delay", "0", "--records", "" + MANY);
            default -> List.of("test/jbang", "listener.java", "--fail-after", "0");
        };
    }

    static List<String> bare(String work) throws Exception {
        String flags = Files.readString(Path.of(script(work).get(1)))
                .replaceAll("(?s).*\n//RUNTIME_OPTIONS (.*?)\n.*", "$1");
        Path data = WORK.resolve(work + ".jsa");  // written by the first run
        String classData = "-XX:" + (Files.exists(data) ? "SharedArchiveFile=" : "ArchiveClassesAtExit=") + data;
        List<String> command = new ArrayList<>(List.of(System.getProperty("java.home") + "/bin/java", classData));
        command.addAll(List.of(flags.split(" ")));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), "bench", work));
        return command;
    }

    /** Gives a figure for each row. */
    interface Measure {
        List<Double> of(Contender contender) throws Exception;
    }

    /**
     * Each run begins with another contender, and every second one goes the other way round. Prints the medians, and
     * in brackets the script's figure by theirs: median, least and most of all runs.
     */
    static void rows(int runs, List<Contender> all, List<String> names, Measure measure) throws Exception {
        Map<String, List<List<Double>>> figures = new HashMap<>();
        for (int run = 0; run < runs; run++) {
            List<Contender> order = new ArrayList<>(all);
            Collections.rotate(order, run / 2);
            if (run % 2 == 1) Collections.reverse(order);
            for (Contender contender : order)
                figures.computeIfAbsent(contender.name, name -> new ArrayList<>()).add(measure.of(contender));
        }
        for (int i = 0; i < names.size(); i++) {
            int row = i;
            List<Double> ours = figures.get("script").stream().map(run -> run.get(row)).toList();
            String line = "| " + names.get(row) + " | " + number(median(ours)) + " |";
            for (String name : List.of("bare driver", "PyMongo", "mongosh")) {
                List<Double> theirs = figures.getOrDefault(name, List.of()).stream().map(run -> run.get(row)).toList();
                List<Double> ratios = IntStream.range(0, theirs.size())
                        .mapToObj(run -> ours.get(run) / Math.max(0.01, theirs.get(run))).sorted().toList();
                line += ratios.isEmpty() ? " |" : " " + number(median(theirs)) + " (**" + number(median(ratios))
                        + "**, " + number(ratios.get(0)) + " to " + number(ratios.get(ratios.size() - 1)) + ") |";
            }
            System.out.println(line);
        }
    }

    static double median(List<Double> values) {
        List<Double> sorted = values.stream().sorted().toList();
        return (sorted.get((sorted.size() - 1) / 2) + sorted.get(sorted.size() / 2)) / 2;
    }

    static String number(double value) {
        return String.format(Locale.ROOT, value < 10 ? "%.2f" : value < 100 ? "%.1f" : "%,.0f", value);
    }

    static void measure() throws Exception {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly);  // one stands still
            if (!ENV.getOrDefault("TEST_MONGODB_URI", "").isEmpty()) database.drop();  // the sandbox ends anyway
        }));
        Contender script = new Contender("script", bench::script), bare = new Contender("bare driver", bench::bare);
        List<Contender> java = List.of(script, bare), all = new ArrayList<>(java);
        String python = ENV.get("BENCH_PYTHON"), mongosh = ENV.get("BENCH_MONGOSH");
        if (!python.isEmpty()) all.add(new Contender("PyMongo", work -> List.of(python, "test/bench/peer.py", work)));
        if (!mongosh.isEmpty()) all.add(new Contender("mongosh", work -> List.of("env", "PEER=" + work, mongosh,
                "--nodb", "--quiet", "--norc", "--file", "test/bench/peer.js")));
        for (Contender contender : java)  // writes their class data
            for (String work : List.of("reset", "insert", "listen")) {
                Process process = contender.start(work);
                if (work.equals("listen")) process.toHandle().destroy();
                process.waitFor();
            }
        System.out.println("| what | script | bare driver | PyMongo | mongosh |\n|---|---|---|---|---|");
        reset("`test/jbang reset`", all);
        all.set(0, new Contender("script", work -> List.of("env", "JBANG_ASKED=1", "test/jbang", "reset.java")));
        reset("the same, JBang asked each time", all);
        all.set(0, script);
        firstEvent(all);
        latency(all, QUICK ? 20 : 5 * WRITES_A_SECOND);
        idle(all, QUICK ? 1 : 30);
        backlog(all, RUNS, MANY);
        backlog(java, Math.min(2, RUNS), 10 * MANY);
        inserts(java);
    }

    static void reset(String what, List<Contender> all) throws Exception {
        rows(QUICK ? 1 : 8, all, List.of(what + ": seconds", what + ": CPU seconds"), contender -> {
            List<String> timed = new ArrayList<>(contender.command.of("reset"));
            timed.addAll(0, List.of("bash", "-c", "TIMEFORMAT='%R %U %S'; time \"$@\" >/dev/null 2>&1", "-"));
            Process process = new ProcessBuilder(timed).start();
            String[] said = process.errorReader().readLine().replace(',', '.').split(" ");
            if (process.waitFor() != 0) throw new IOException("failed: " + timed);
            return List.of(Double.parseDouble(said[0]), Double.parseDouble(said[1]) + Double.parseDouble(said[2]));
        });
    }

    static void firstEvent(List<Contender> all) throws Exception {
        rows(RUNS, all, List.of("from the start to the first event: seconds"), contender -> {
            var writer = Executors.newScheduledThreadPool(1);
            writer.scheduleAtFixedRate(() -> insert(1, "show@"), 0, 1000 / WRITES_A_SECOND, MILLISECONDS);
            long start = System.nanoTime();
            Process process = contender.start("listen");
            await(process, "show@");
            double seconds = (System.nanoTime() - start) / 1e9;
            process.destroyForcibly().waitFor();
            writer.shutdown();
            writer.awaitTermination(9, SECONDS);
            return List.of(seconds);
        });
    }

    /** From the acknowledged write to the printed line. */
    static void latency(List<Contender> all, int writes) throws Exception {
        List<String> names = List.of("latency at " + WRITES_A_SECOND + " writes a second: p50, ms", "p99, ms");
        rows(RUNS, all, names, contender -> {
            Process process = contender.start("listen");
            long[] written = new long[2 * writes], printed = new long[2 * writes];  // the first half is to warm up
            Thread reader = new Thread(() -> process.inputReader(UTF_8).lines()
                    .map(Pattern.compile("show(\\d+)@")::matcher).filter(Matcher::find).limit(2 * writes)
                    .forEach(found -> printed[Integer.parseInt(found.group(1))] = System.nanoTime()));
            reader.start();
            long start = System.nanoTime();
            for (int i = 0; i < 2 * writes; i++) {
                NANOSECONDS.sleep(start + i * 1_000_000_000L / WRITES_A_SECOND - System.nanoTime());
                customers.insertOne(customer("show" + i + "@"));
                written[i] = System.nanoTime();
            }
            reader.join();
            process.destroyForcibly().waitFor();
            List<Double> sorted = IntStream.range(writes, 2 * writes)
                    .mapToObj(i -> Math.max(0, printed[i] - written[i]) / 1e6).sorted().toList();
            return List.of(sorted.get(writes / 2), sorted.get(writes * 99 / 100));
        });
    }

    static void idle(List<Contender> all, int seconds) throws Exception {
        rows(1, all, List.of("idle for " + seconds + " s: % of a core"), contender -> {
            Process process = contender.start("listen");
            Thread.sleep(seconds * 100L);  // what starting left to do
            double before = cpuSeconds(process);
            Thread.sleep(seconds * 1000L);
            double percent = (cpuSeconds(process) - before) / seconds * 100;
            process.destroyForcibly().waitFor();
            return List.of(percent);
        });
    }

    /** What was written while it stood still. */
    static void backlog(List<Contender> all, int runs, int events) throws Exception {
        String what = "backlog of " + number(events) + ": events a second";
        rows(runs, all, List.of(what, "CPU per event, us", "memory at its peak, MB"), contender -> {
            Process process = contender.start("listen");
            double seconds = 0, cpu = 0;
            for (int count : List.of(Math.min(events, 20_000), events)) {  // the first to warm up
                double before = cpuSeconds(process);
                String last = "show" + System.nanoTime() + "@";
                new ProcessBuilder("kill", "-STOP", "" + process.pid()).start().waitFor();
                insert(count, last);
                long start = System.nanoTime();
                new ProcessBuilder("kill", "-CONT", "" + process.pid()).start().waitFor();
                await(process, last);
                seconds = (System.nanoTime() - start) / 1e9;
                cpu = cpuSeconds(process) - before;
            }
            String status = Files.readString(Path.of("/proc/" + process.pid() + "/status"));  // Linux has that
            process.destroyForcibly().waitFor();
            customers.drop();
            String kilobytes = status.replaceAll("(?s).*VmHWM:\\s*(\\d+).*", "$1");
            return List.of(events / seconds, cpu / events * 1e6, Integer.parseInt(kilobytes) / 1024.0);
        });
    }

    static void inserts(List<Contender> all) throws Exception {
        rows(RUNS, all, List.of("`insert --delay 0`: customers a second"), contender -> {
            Process process = contender.start("insert");
            String said = await(process, "Elapsed (in seconds): ");
            process.waitFor();
            customers.drop();
            return List.of(MANY / Double.parseDouble(said.replaceAll(".*: ", "")));
        });
    }

    static String await(Process process, String text) throws IOException {
        String line = "";
        while (!line.contains(text)) line = Objects.requireNonNull(process.inputReader(UTF_8).readLine(), "has ended");
        return line;
    }

    static double cpuSeconds(Process process) {
        return process.info().totalCpuDuration().orElseThrow().toNanos() / 1e9;
    }
}
