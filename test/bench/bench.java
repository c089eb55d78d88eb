///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m
//SOURCES ../../listener.java
//SOURCES ../../reset.java

import com.mongodb.client.*;
import com.mongodb.client.model.Aggregates;
import com.mongodb.client.model.changestream.*;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.CountDownLatch;
import java.util.stream.*;
import org.bson.Document;
import org.bson.conversions.Bson;

import static com.mongodb.client.model.Filters.*;
import static java.lang.ProcessBuilder.Redirect.INHERIT;
import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.SECONDS;

/**
 * What test/bench/run starts. Each contender is a process of its own.
 *
 * <p>The bare driver is this class: from the same jar as the scripts, with the same options of the JVM, the
 * same filters and options of the streams, all opened at once, too; and next to nothing printed.
 */
class bench {

    static String uri = System.getenv("MONGODB_ATLAS_URL"), name = System.getenv("DATABASE");
    static MongoCollection<Document> customers;
    static boolean quick;

    public static void main(String... args) throws Exception {
        String work = String.join(" ", args);
        quick = work.equals("--quick");
        if (work.isEmpty() || quick) prepare();
        customers = MongoClients.create(uri).getDatabase(name).getCollection("accounts");
        if (work.startsWith("listener")) listen();
        else if (!work.equals("reset")) measure();
        customers.drop();
        customers.insertOne(new Document("firstName", "My First Name"));
        System.exit(0);
    }

    static void listen() throws InterruptedException {
        String type = "operationType", counter = "updateDescription.updatedFields.resumeCounter";
        Bson overdrawn = elemMatch("fullDocument.accounts", and(eq("type", "checking"), lt("balance", 0)));
        CountDownLatch opening = new CountDownLatch(5);
        for (Bson filter : List.of(
                and(eq(type, "insert"), overdrawn), eq(type, "delete"), eq(type, "replace"),
                and(eq(type, "update"), exists(counter, false)), and(eq(type, "update"), exists(counter)))) {
            Thread reader = new Thread(() -> {
                var changes = customers.watch(List.of(Aggregates.match(or(filter, eq(type, "invalidate")))))
                        .batchSize(1000).maxAwaitTime(1, SECONDS).fullDocument(FullDocument.UPDATE_LOOKUP)
                        .fullDocumentBeforeChange(FullDocumentBeforeChange.WHEN_AVAILABLE).cursor();
                opening.countDown();
                while (true) {
                    ChangeStreamDocument<Document> event = changes.tryNext();
                    String email = event == null ? "" : event.getFullDocument().getString("email");
                    if (email.startsWith("last")) System.out.println("Emailing user: " + email);
                }
            });
            reader.start();
        }
        opening.await();
        System.out.println("and invalidate events");
        Thread.currentThread().join();
    }

    /** Overdrawn customers of the shape and size of those of insert.java. */
    static void insert(int count, String last) {
        Document customer = Document.parse("""
                {firstName: "Terrance", lastName: "Hagenes", mobileNumber: "(612) 346-3270",
                 birthDate: "07-14-1986", email: "terrance.hagenes@example.org",
                 address: {street: "26731 Kuhn Rapid", city: "North Sharonda", state: "Ohio", zip: "41277"},
                 phoneNumbers: [{type: "mobile", number: "(612) 346-3270"}, {type: "home", number: "139184"}],
                 accounts: [{type: "savings", accountNumber: "6771-8909-82", interestRate: 3.4, balance: 12},
                   {type: "checking", accountNumber: "4556-1203-77", overdraftLimit: 4, balance: -1}]}""");
        for (int i = 0; i < count / 1000; i++)
            customers.insertMany(Stream.generate(() -> new Document(customer)).limit(1000).toList());
        customers.insertOne(customer.append("email", last));
    }

    static List<String> java(String... program) {
        List<String> command = new ArrayList<>(List.of(System.getProperty("java.home") + "/bin/java"));
        command.addAll(ManagementFactory.getRuntimeMXBean().getInputArguments());
        command.addAll(List.of("-cp", System.getProperty("java.class.path")));
        command.addAll(List.of(program));
        return command;
    }

    static Process start(List<String> command, String... arguments) throws IOException {
        List<String> words = new ArrayList<>(command);
        words.addAll(List.of(arguments));
        ProcessBuilder builder = new ProcessBuilder(words).redirectError(INHERIT);
        builder.environment().putAll(
                Map.of("MONGODB_ATLAS_URL", uri, "DATABASE", name, "COLLECTION", "accounts"));
        return builder.start();
    }

    static String await(Process process, String text) throws IOException {
        String line = "";
        while (!line.contains(text))
            line = Objects.requireNonNull(process.inputReader(UTF_8).readLine(), "ended early");
        return line;
    }

    static void prepare() throws IOException {
        name = "change_stream_demo_bench_" + ProcessHandle.current().pid();
        uri = System.getenv().getOrDefault("TEST_MONGODB_URI", "");
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            if (customers != null) customers.drop();
            ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly);
        }));
        List<String> sandbox = List.of("test/jbang", "run", "--quiet", "test/sandbox.java", "--port", "0");
        if (uri.isEmpty()) uri = await(start(sandbox), "mongodb://");
    }

    static void measure() throws Exception {
        Map<String, List<String>> contenders = new LinkedHashMap<>();
        contenders.put("script", java());
        contenders.put("bare driver", java("bench"));
        String python = start(List.of("bash", "-c"), "for python in python3 /usr/bin/python3; do"
                + " $python -c 'import pymongo' && echo $python; done 2>/dev/null").inputReader().readLine();
        if (python != null) contenders.put("PyMongo", List.of(python, "test/bench/peer.py"));
        Map<String, List<String>> starts = new LinkedHashMap<>(contenders);
        starts.put("`test/jbang`", List.of("test/jbang", "--quiet"));
        starts.put("JBang asked", List.of("env", "JBANG_ASKED=1", "test/jbang", "--quiet"));
        String cpu = Files.lines(Path.of("/proc/cpuinfo")).filter(line -> line.startsWith("model name")).findFirst()
                .orElse(System.getProperty("os.arch"));
        System.out.printf("Machine: %s, %d cores; Java %s%s.%n%n", cpu.replaceFirst(".*: ", ""),
                Runtime.getRuntime().availableProcessors(), System.getProperty("java.version"), quick ? "; quick" : "");
        System.out.println("| what | " + String.join(" | ", starts.keySet()) + " |");
        System.out.println("|---" + "|---".repeat(starts.size()) + "|");
        rows(9, starts, List.of("`reset`: seconds", "`reset`: CPU seconds"), bench::reset);
        rows(5, contenders, List.of("`listener`: seconds to its first event", "CPU per event, us",
                "memory at its peak, MB"), bench::listener);
    }

    static List<Double> reset(List<String> contender) throws Exception {
        List<String> timed = new ArrayList<>(contender);
        String time = "TIMEFORMAT='%R %U %S'; { time \"$@\" >/dev/null; } 2>&1";
        timed.addAll(0, List.of("bash", "-c", time, "-"));
        Process process = start(timed, "reset");
        Scanner said = new Scanner(process.getInputStream()).useLocale(Locale.ROOT);
        if (process.waitFor() != 0) throw new IOException("failed: " + said.nextLine());
        return List.of(said.nextDouble(), said.nextDouble() + said.nextDouble());
    }

    static List<Double> listener(List<String> contender) throws Exception {
        long start = System.nanoTime();
        Process process = start(contender, "listener", "--fail-after", "0");
        await(process, "and invalidate events");
        insert(0, "last first");
        await(process, "last first");
        double seconds = (System.nanoTime() - start) / 1e9, cpu = 0;
        int events = quick ? 1000 : 100_000;
        for (int count : List.of(events / 5, events)) {  // the first to warm up
            double before = cpuSeconds(process);
            insert(count, "last of " + count);
            await(process, "last of " + count);
            cpu = cpuSeconds(process) - before;
        }
        String status = Files.readString(Path.of("/proc/" + process.pid() + "/status"));
        process.destroyForcibly().waitFor();
        customers.drop();
        String kilobytes = status.replaceAll("(?s).*VmHWM:\\s*(\\d+).*", "$1");
        return List.of(seconds, cpu / events * 1e6, Integer.parseInt(kilobytes) / 1024.0);
    }

    static double cpuSeconds(Process process) {
        return process.info().totalCpuDuration().orElseThrow().toNanos() / 1e9;
    }

    /** Gives a figure for each row. */
    interface Measure {
        List<Double> of(List<String> contender) throws Exception;
    }

    /** Prints medians, and in brackets the script's figure by theirs: median, least and most of all runs. */
    static void rows(int runs, Map<String, List<String>> contenders, List<String> rows, Measure measure)
            throws Exception {
        Map<String, List<List<Double>>> figures = new LinkedHashMap<>();
        contenders.keySet().forEach(contender -> figures.put(contender, new ArrayList<>()));
        List<String> order = new ArrayList<>(contenders.keySet());
        for (int run = 0; run < (quick ? 1 : runs); run++) {
            Collections.rotate(order, 1);  // each run begins with another one
            for (String contender : order) figures.get(contender).add(measure.of(contenders.get(contender)));
        }
        for (String row : rows) {
            System.out.print("| " + row + " |");
            List<Double> ours = new ArrayList<>();
            figures.forEach((contender, all) -> {
                List<Double> theirs = all.stream().map(run -> run.get(rows.indexOf(row))).toList();
                if (ours.isEmpty()) ours.addAll(theirs);
                double[] ratios = IntStream.range(0, ours.size())
                        .mapToDouble(run -> ours.get(run) / theirs.get(run)).sorted().toArray();
                double figure = theirs.stream().sorted().toList().get(theirs.size() / 2);
                String format = contender.equals("script") ? " %.2f |" : " %.2f (**%.2f**, %.2f to %.2f) |";
                System.out.printf(Locale.ROOT, format, figure, ratios[ratios.length / 2],
                        ratios[0], ratios[ratios.length - 1]);
            });
            System.out.println();
        }
    }
}
