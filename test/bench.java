///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS net.datafaker:datafaker:2.7.0
//DEPS io.github.cdimascio:dotenv-java:3.2.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//SOURCES ../insert.java
//RUNTIME_OPTIONS -XX:+UseSerialGC -Xlog:disable
//CDS

import com.mongodb.client.MongoChangeStreamCursor;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.model.Filters;
import com.mongodb.client.model.Projections;
import com.mongodb.client.model.Updates;
import com.mongodb.client.model.changestream.ChangeStreamDocument;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import net.datafaker.Faker;
import org.bson.Document;
import org.bson.conversions.Bson;

import static java.nio.charset.StandardCharsets.UTF_8;

/**
 * What test/bench measures, beyond the start of a script: each figure is one of a script against one of a <i>floor</i>,
 * the bare driver that does the same work and prints next to nothing.
 *
 * <p>{@code bench.java measure quick|default|full START.json POINTS.tsv} measures and prints the table;
 * {@code bench.java count | print | generate N | write KIND} are the floors, each a process of its own.
 */
class bench {

    /** How much of everything, and how often. */
    record Size(int[] events, int warmUp, int backlogs, int latencies, int latencySeconds, int[] inserted, int inserts,
                int[] customers, int idleSeconds) {
        static Size of(String name) {
            return switch (name) {
                case "quick" -> new Size(new int[] {50, 100}, 50, 1, 1, 1, new int[] {10, 100}, 1, new int[] {10, 50}, 1);
                case "full" -> new Size(new int[] {1_000, 10_000, 100_000, 1_000_000}, 10_000, 1, 3, 20,
                        new int[] {1_000, 100_000, 1_000_000}, 1, new int[] {10_000, 100_000}, 60);
                default -> new Size(new int[] {1_000, 10_000, 100_000}, 10_000, 3, 3, 10,
                        new int[] {1_000, 100_000}, 3, new int[] {5_000, 50_000}, 60);
            };
        }
    }

    static final String URL = System.getenv("MONGODB_ATLAS_URL"), DATABASE = System.getenv("DATABASE");
    static final int WRITES_A_SECOND = 200;
    static final Bson OVERDRAWN = Filters.and(Filters.eq("operationType", "insert"), Filters.elemMatch("fullDocument.accounts",
            Filters.and(Filters.eq("type", "checking"), Filters.lt("balance", 0))));

    public static void main(String... args) throws Exception {
        try (MongoClient client = MongoClients.create(URL)) {
            MongoCollection<Document> customers = client.getDatabase(DATABASE).getCollection("accounts");
            switch (args[0]) {
                case "measure" -> new Measuring(customers, Size.of(args[1])).run(Path.of(args[2]), Path.of(args[3]));
                case "count", "print" -> floorListener(customers, args[0].equals("print"));
                case "generate" -> floorGenerate(Integer.parseInt(args[1]));
                case "write" -> floorWrite(customers, args[1]);
                default -> throw new IllegalArgumentException(args[0]);
            }
        }
        System.exit(0);
    }

    // ===== The floors =====

    /** Five streams, as the listener has, that count what comes; prints the e-mail address of each insert, or only of the last. */
    static void floorListener(MongoCollection<Document> customers, boolean printAll) throws InterruptedException {
        List<Bson> filters = List.of(OVERDRAWN, Filters.eq("operationType", "update"), Filters.eq("operationType", "delete"),
                Filters.eq("operationType", "replace"), Filters.exists("updateDescription.updatedFields.resumeCounter"));
        for (Bson filter : filters) {
            MongoChangeStreamCursor<ChangeStreamDocument<Document>> cursor = customers
                    .watch(List.of(com.mongodb.client.model.Aggregates.match(filter))).maxAwaitTime(1, TimeUnit.SECONDS).cursor();
            Thread reader = new Thread(() -> {
                long seen = 0;
                while (true) {
                    ChangeStreamDocument<Document> event = cursor.tryNext();
                    if (event == null) continue;
                    seen++;
                    if (event.getFullDocument() == null) continue;
                    String email = event.getFullDocument().getString("email");
                    if (printAll || email.startsWith("end-")) System.out.println("Emailing user: " + email + " " + seen);
                }
            });
            reader.start();
            System.out.println("listener thread started");
        }
        Thread.currentThread().join();
    }

    static void floorGenerate(int count) throws Exception {
        long start = System.nanoTime();
        customers(count).forEach(customer -> { });
        elapsed(start);
    }

    /** What the three writers do for each customer: look, and change that one. */
    static void floorWrite(MongoCollection<Document> customers, String kind) {
        long start = System.nanoTime();
        Bson wanted = Filters.elemMatch("accounts", Filters.and(Filters.eq("type", "checking"), switch (kind) {
            case "update" -> Filters.lt("balance", 1000);
            case "delete" -> Filters.lt("balance", 0);
            default -> Filters.gt("balance", 1000);
        }));
        int counter = 0;
        for (Document customer : customers.find(wanted).projection(Projections.include("_id")).batchSize(1000)) {
            Bson one = Filters.and(Filters.eq("_id", customer.get("_id")), wanted);
            switch (kind) {
                case "update" -> customers.updateOne(one, Updates.inc("accounts.$.balance", 100));
                case "delete" -> customers.deleteOne(one);
                default -> customers.updateOne(one, Updates.set("resumeCounter", ++counter));
            }
        }
        elapsed(start);
    }

    static void elapsed(long start) {
        System.out.printf(Locale.ROOT, "Total Time Elapsed (in seconds): %.3f%n", (System.nanoTime() - start) / 1e9);
    }

    /** Customers as insert.java makes them. */
    static Stream<Document> customers(int count) throws ReflectiveOperationException {
        Random random = new Random(7);
        Faker faker = new Faker(Locale.ENGLISH, random);
        Method customer = insert.class.getDeclaredMethod("customer", Faker.class, Random.class);
        customer.setAccessible(true);
        return IntStream.range(0, count).mapToObj(i -> {
            try {
                return (Document) customer.invoke(null, faker, random);
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException(e);
            }
        });
    }

    // ===== Processes =====

    /** A script or a floor that runs, its output in a file or for us to read. */
    static final class Child implements AutoCloseable {
        final Process process;
        final Path output;
        final Thread watcher = new Thread(this::watch);
        volatile double peak;

        Child(boolean toFile, String script, String... arguments) throws IOException {
            List<String> command = new ArrayList<>(List.of("test/jbang", "run", "--quiet", script));
            command.addAll(List.of(arguments));
            output = Files.createTempFile(Path.of(System.getenv("BENCH_WORK")), "output", "");
            ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
            process = (toFile ? builder.redirectOutput(output.toFile()) : builder).start();
            process.getOutputStream().close();
            watcher.setDaemon(true);
            watcher.start();
        }

        double cpuSeconds() {
            return process.info().totalCpuDuration().orElseThrow().toNanos() / 1e9;
        }

        /** The most memory it held so far, in MB: Linux counts that itself. */
        void watch() {
            Path status = Path.of("/proc/" + process.pid() + "/status");
            try {
                while (process.isAlive()) {
                    List<String> lines = Files.exists(status) ? Files.readAllLines(status)
                            : List.of("VmHWM: " + new String(new ProcessBuilder("ps", "-o", "rss=", "-p", "" + process.pid()).start()
                            .getInputStream().readAllBytes(), UTF_8).trim());
                    for (String line : lines)
                        if (line.startsWith("VmHWM:")) peak = Math.max(peak, Integer.parseInt(line.replaceAll("\\D", "")) / 1024.0);
                    Thread.sleep(20);
                }
            } catch (IOException | InterruptedException | NumberFormatException gone) {
                // it has just ended
            }
        }

        /** Waits until so many lines of its output hold the text. */
        Child await(String text, int count) throws Exception {
            while (Files.readAllLines(output).stream().filter(line -> line.contains(text)).count() < count) pause();
            return this;
        }

        /** Waits until the last lines of its output hold the text, without reading all that came before. */
        void awaitLast(String text) throws Exception {
            byte[] tail = new byte[2000];
            try (RandomAccessFile file = new RandomAccessFile(output.toFile(), "r")) {
                for (long give = System.nanoTime(); System.nanoTime() - give < 900e9; pause()) {
                    file.seek(Math.max(0, file.length() - tail.length));
                    int length = file.read(tail);
                    if (length > 0 && new String(tail, 0, length, UTF_8).contains(text)) return;
                }
            }
            throw new IllegalStateException("the last event was not printed within 15 minutes: " + text);
        }

        private void pause() throws Exception {
            if (!process.isAlive()) throw new IllegalStateException(process.info() + " ended: " + Files.readString(output));
            Thread.sleep(5);
        }

        void signal(String name) throws Exception {
            new ProcessBuilder("kill", "-s", name, "" + process.pid()).start().waitFor();
        }

        /** The seconds that it said it took, once it has ended. */
        double seconds() throws Exception {
            if (process.waitFor() != 0) throw new IllegalStateException("it failed: " + Files.readString(output));
            watcher.join();
            Matcher said = Pattern.compile("Elapsed \\(in seconds\\): ([0-9.]+)").matcher(Files.readString(output));
            if (!said.find()) throw new IllegalStateException("no time in: " + Files.readString(output));
            Files.delete(output);
            return Double.parseDouble(said.group(1));
        }

        @Override
        public void close() throws Exception {
            signal("CONT");
            process.destroy();
            if (!process.waitFor(20, TimeUnit.SECONDS)) process.destroyForcibly().waitFor();
            Files.deleteIfExists(output);
        }
    }

    // ===== Measuring =====

    static final class Measuring {
        final MongoCollection<Document> customers;
        final Size size;
        final List<Document> templates;

        Measuring(MongoCollection<Document> customers, Size size) throws ReflectiveOperationException {
            this.customers = customers;
            this.size = size;
            templates = bench.customers(1000).toList();
        }

        void run(Path start, Path points) throws Exception {
            System.out.println("| what | goal | figure | goal met | runs | spread | measured |\n|---|---|---|---|---|---|---|");
            starts(Document.parse(Files.readString(start)));
            backlog(points);
            latency();
            inserts();
            for (String script : List.of("update", "delete", "resume_update")) writes(script);
            idle();
        }

        static void row(String what, double goal, boolean most, double[] figures, String measured) {
            double figure = median(figures);
            double low = Arrays.stream(figures).min().orElseThrow(), high = Arrays.stream(figures).max().orElseThrow();
            System.out.println("| " + what + " | " + (most ? "at most " : "at least ") + number(goal) + " | " + number(figure) + " | "
                    + ((most ? figure <= goal : figure >= goal) ? "yes" : "no") + " | " + figures.length + " | "
                    + (figures.length > 1 ? number(low) + " to " + number(high) : "") + " | " + measured + " |");
        }

        static double median(double... values) {
            double[] sorted = Arrays.stream(values).sorted().toArray();
            return (sorted[(sorted.length - 1) / 2] + sorted[sorted.length / 2]) / 2;
        }

        static String number(double value) {
            return String.format(Locale.ROOT, value < 100 ? "%.2f" : "%.0f", value);
        }

        /** The results of hyperfine: plain, own and whole, and plain and AOT of another JDK. */
        void starts(Document results) {
            List<Document> all = results.getList("results", Document.class);
            for (int i = 1; i < all.size(); i += i == 2 ? 2 : 1) {
                Document one = all.get(i), base = all.get(i == 2 ? 1 : i - 1);
                String name = one.getString("command"), of = base.getString("command");
                if (i != 2) row(name + ": CPU of " + of, i == 1 ? 0.5 : 0.46, true, new double[] {cpu(one) / cpu(base)}, seconds(cpu(one), cpu(base)));
                double wall = median(times(base));
                row(name + ": time of " + of, i == 1 ? 0.6 : i == 2 ? 2 : 0.48, true,
                        Arrays.stream(times(one)).map(time -> time / wall).toArray(), seconds(median(times(one)), wall));
            }
        }

        static double cpu(Document result) {
            return result.getDouble("user") + result.getDouble("system");
        }

        static double[] times(Document result) {
            return result.getList("times", Double.class).stream().mapToDouble(time -> time).toArray();
        }

        static String seconds(double one, double base) {
            return number(one) + " s of " + number(base) + " s";
        }

        Child listener(boolean toFile) throws Exception {
            Child listener = new Child(toFile, "listener.java", "--fail-after", "0");
            return toFile ? listener.await("listener thread started", 5) : listener;
        }

        Child floor(boolean toFile, String mode) throws Exception {
            Child floor = new Child(toFile, "test/bench.java", mode);
            return toFile ? floor.await("listener thread started", 5) : floor;
        }

        Document customer(int i, String email, int balance) {
            Document customer = new Document(templates.get(i % templates.size())).append("email", email);
            customer.remove("_id");
            Document checking = new Document(customer.getList("accounts", Document.class).get(1)).append("balance", balance);
            return customer.append("accounts", List.of(customer.getList("accounts", Document.class).get(0), checking));
        }

        void insert(int count, int balance, String last) {
            for (int i = 0; i < count; i += 1000) {
                int from = i;
                customers.insertMany(IntStream.range(from, Math.min(count, from + 1000))
                        .mapToObj(n -> customer(n, n == count - 1 ? last : "a@example.org", balance)).toList());
            }
        }

        record Backlog(double perSecond, double cpuMicros, double peak) {
        }

        /** What one process, stopped while they are written, makes of a number of events. */
        Backlog backlog(Child child, int events) throws Exception {
            String last = "end-" + System.nanoTime() + "@example.org";
            child.signal("STOP");
            insert(events, -100, last);
            double cpu = child.cpuSeconds();
            long start = System.nanoTime();
            child.signal("CONT");
            child.awaitLast(last);
            double seconds = (System.nanoTime() - start) / 1e9;
            Thread.sleep(50); // for the peak to be seen
            return new Backlog(events / seconds, (child.cpuSeconds() - cpu) / events * 1e6, child.peak);
        }

        void backlog(Path points) throws Exception {
            int sizes = size.events.length, largest = size.events[sizes - 1];
            double[][] floorMicros = new double[sizes][size.backlogs], micros = new double[sizes][size.backlogs];
            double[] rates = new double[size.backlogs], flat = new double[size.backlogs], memory = new double[size.backlogs];
            String rate = "", peaks = "";
            for (int run = 0; run < size.backlogs; run++) {
                Backlog floor = null, ours = null;
                customers.drop();
                try (Child child = floor(true, "count")) {
                    backlog(child, size.warmUp);
                    for (int i = 0; i < sizes; i++) floorMicros[i][run] = (floor = backlog(child, size.events[i])).cpuMicros;
                }
                customers.drop();
                double first = 0;
                try (Child child = listener(true)) {
                    backlog(child, size.warmUp);
                    for (int i = 0; i < sizes; i++) {
                        micros[i][run] = (ours = backlog(child, size.events[i])).cpuMicros;
                        if (i == 0) first = ours.peak;
                    }
                }
                rates[run] = ours.perSecond / floor.perSecond;
                flat[run] = micros[sizes - 1][run] / micros[0][run];
                memory[run] = ours.peak / first;
                rate = number(ours.perSecond) + "/s of " + number(floor.perSecond) + "/s";
                peaks = number(ours.peak) + " MB of " + number(first) + " MB";
            }
            row("listener, backlog of " + largest + " events: rate of the floor", 0.8, false, rates, rate);
            row("listener, CPU per event: " + largest + " events of " + size.events[0], 1.3, true, flat,
                    number(median(micros[sizes - 1])) + " µs of " + number(median(micros[0])) + " µs; floor "
                            + number(median(floorMicros[sizes - 1])) + " µs");
            row("listener, peak memory: " + largest + " events of " + size.events[0], 1.3, true, memory, peaks);
            StringBuilder lines = new StringBuilder("events\tlistener\tfloor\n");
            for (int i = 0; i < sizes; i++)
                lines.append(size.events[i]).append('\t').append(number(median(micros[i]))).append('\t')
                        .append(number(median(floorMicros[i]))).append('\n');
            Files.writeString(points, lines);
        }

        /** Milliseconds from the acknowledged write to the line, in order; the mean of several runs would hide the worst. */
        double[] latencies(Child child) throws Exception {
            try (child) {
                Map<Integer, Long> printed = new ConcurrentHashMap<>();
                int writes = WRITES_A_SECOND * size.latencySeconds;
                BufferedReader output = child.process.inputReader(UTF_8);
                int started = 0;
                while (started < 5) if (output.readLine().contains("listener thread started")) started++;
                Pattern key = Pattern.compile("Emailing user: k(\\d+)@");
                Thread reader = new Thread(() -> output.lines().map(key::matcher).filter(Matcher::find)
                        .forEach(found -> printed.put(Integer.parseInt(found.group(1)), System.nanoTime())));
                reader.start();
                int warmUp = writes / 4;
                long[] acknowledged = new long[warmUp + writes];
                long start = System.nanoTime();
                for (int i = 0; i < acknowledged.length; i++) {
                    long due = start + i * 1_000_000_000L / WRITES_A_SECOND;
                    TimeUnit.NANOSECONDS.sleep(due - System.nanoTime());
                    customers.insertOne(customer(i, "k" + i + "@example.org", -100));
                    acknowledged[i] = System.nanoTime();
                }
                for (long give = System.nanoTime(); printed.size() < acknowledged.length; Thread.sleep(10))
                    if (System.nanoTime() - give > 60e9) throw new IllegalStateException("of " + acknowledged.length + " events only "
                            + printed.size() + " were printed within a minute");
                child.signal("TERM");
                reader.join();
                return IntStream.range(warmUp, acknowledged.length)
                        .mapToDouble(i -> Math.max(0, printed.get(i) - acknowledged[i]) / 1e6).sorted().toArray();
            }
        }

        void latency() throws Exception {
            double[] p50 = new double[size.latencies], p99 = new double[size.latencies];
            String middle = "", worst = "";
            for (int run = 0; run < size.latencies; run++) {
                customers.drop();
                double[] floor = latencies(floor(false, "print")), ours = latencies(listener(false));
                p50[run] = ours[ours.length / 2] / floor[floor.length / 2];
                p99[run] = ours[ours.length * 99 / 100] / floor[floor.length * 99 / 100];
                middle = number(ours[ours.length / 2]) + " ms of " + number(floor[floor.length / 2]) + " ms";
                worst = number(ours[ours.length * 99 / 100]) + " ms of " + number(floor[floor.length * 99 / 100]) + " ms";
            }
            row("latency, acknowledged to printed, five streams, " + WRITES_A_SECOND + " writes/s: p50 of the floor", 1.5, true, p50, middle);
            row("latency: p99 of the floor", 3, true, p99, worst);
        }

        void inserts() throws Exception {
            int sizes = size.inserted.length, largest = size.inserted[sizes - 1];
            double[] time = new double[size.inserts], memory = new double[size.inserts], rate = new double[size.inserts];
            String times = "", peaks = "", rates = "";
            for (int run = 0; run < size.inserts; run++) {
                double[] seconds = new double[sizes], peak = new double[sizes];
                for (int i = 0; i < sizes; i++) {
                    customers.drop();
                    Child child = new Child(true, "insert.java", "--delay", "0", "--records", "" + size.inserted[i]);
                    seconds[i] = child.seconds() / size.inserted[i] * 1e6;
                    peak[i] = child.peak;
                }
                double floor = new Child(true, "test/bench.java", "generate", "" + largest).seconds() / largest * 1e6;
                time[run] = seconds[sizes - 1] / seconds[0];
                memory[run] = peak[sizes - 1] / peak[0];
                rate[run] = floor / seconds[sizes - 1];
                times = number(seconds[sizes - 1]) + " µs of " + number(seconds[0]) + " µs";
                peaks = number(peak[sizes - 1]) + " MB of " + number(peak[0]) + " MB";
                rates = number(1e6 / seconds[sizes - 1]) + "/s of " + number(1e6 / floor) + "/s";
            }
            String of = largest + " customers of " + size.inserted[0];
            row("insert --delay 0, time per customer: " + of, 1.3, true, time, times);
            row("insert --delay 0, peak memory: " + of, 1.3, true, memory, peaks);
            row("insert --delay 0, " + largest + " customers: rate of generating them alone", 0.5, false, rate, rates);
        }

        /** A script that scans the collection for each customer takes ten times as long for each in one ten times as large. */
        void writes(String script) throws Exception {
            int balance = switch (script) {
                case "update" -> 500;
                case "delete" -> -100;
                default -> 2000;
            };
            double[] micros = new double[2];
            for (int i = 0; i < 2; i++) {
                customers.drop();
                insert(size.customers[i], balance, "last@example.org");
                micros[i] = new Child(true, script + ".java", "--delay", "0").seconds() / size.customers[i] * 1e6;
            }
            customers.drop();
            insert(size.customers[1], balance, "last@example.org");
            double floor = new Child(true, "test/bench.java", "write", script).seconds() / size.customers[1] * 1e6;
            row(script + " --delay 0, time per customer: " + size.customers[1] + " customers of " + size.customers[0], 1.3, true,
                    new double[] {micros[1] / micros[0]}, number(micros[1]) + " µs of " + number(micros[0]) + " µs; floor " + number(floor) + " µs");
        }

        void idle() throws Exception {
            customers.drop();
            List<Child> listeners = new ArrayList<>();
            ProcessHandle sandbox = System.getenv("BENCH_SANDBOX").isEmpty() ? null
                    : ProcessHandle.of(Long.parseLong(System.getenv("BENCH_SANDBOX"))).orElseThrow();
            try {
                for (int i = 0; i < 5; i++) listeners.add(listener(true));
                Thread.sleep(size.idleSeconds * 100L); // what starting left to do
                double[] before = listeners.stream().mapToDouble(Child::cpuSeconds).toArray();
                double sandboxBefore = cpu(sandbox);
                Thread.sleep(size.idleSeconds * 1000L);
                double[] percent = IntStream.range(0, 5).mapToDouble(i ->
                        (listeners.get(i).cpuSeconds() - before[i]) / size.idleSeconds * 100).toArray();
                row("five idle listeners, % of a core each", 1, true, percent, size.idleSeconds + " s");
                if (sandbox != null)
                    row("the sandbox meanwhile, % of a core", 1, true,
                            new double[] {(cpu(sandbox) - sandboxBefore) / size.idleSeconds * 100}, size.idleSeconds + " s");
            } finally {
                for (Child listener : listeners) listener.close();
            }
        }

        static double cpu(ProcessHandle process) {
            return process == null ? 0 : process.info().totalCpuDuration().orElseThrow().toNanos() / 1e9;
        }
    }
}
