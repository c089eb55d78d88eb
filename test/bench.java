///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS net.datafaker:datafaker:2.7.0
//DEPS io.github.cdimascio:dotenv-java:3.2.0
//DEPS info.picocli:picocli:4.7.7
//DEPS org.slf4j:slf4j-nop:2.0.17
//SOURCES ../insert.java
//RUNTIME_OPTIONS -XX:+UseSerialGC -Xlog:disable

import com.mongodb.client.MongoChangeStreamCursor;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.model.Aggregates;
import com.mongodb.client.model.Filters;
import com.mongodb.client.model.Projections;
import com.mongodb.client.model.Updates;
import com.mongodb.client.model.changestream.ChangeStreamDocument;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
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
 * What test/bench measures. Each figure is that of a script by that of a <i>floor</i>: the bare driver that does the
 * same work and prints next to nothing, or the same script with less to do.
 *
 * <p>{@code bench.java measure quick|default|full PARTS STARTS POINTS} prints the table, {@code bench.java count} and
 * {@code bench.java print} are the floors of the listener.
 */
class bench {

    /** How much of everything, and how often: to see that it works, for a look, for the README. */
    record Size(List<Integer> events, int warmUp, List<Integer> inserted, List<Integer> written, int latencySeconds, int idleSeconds, int runs) {
        static final Map<String, Size> BY_NAME = Map.of(
                "quick", new Size(List.of(50, 100), 50, List.of(10, 100), List.of(10, 50), 1, 1, 1),
                "default", new Size(List.of(1_000, 10_000, 100_000), 20_000, List.of(1_000, 100_000), List.of(2_000, 20_000), 5, 60, 3),
                "full", new Size(List.of(1_000, 10_000, 100_000, 1_000_000), 20_000, List.of(1_000, 100_000, 1_000_000),
                        List.of(10_000, 100_000), 20, 60, 1));
    }

    static final int WRITES_A_SECOND = 200;

    static MongoCollection<Document> customers;
    static List<Document> templates;
    static Size size;

    public static void main(String... args) throws Exception {
        Runtime.getRuntime().addShutdownHook(new Thread(() ->
                ProcessHandle.current().descendants().forEach(ProcessHandle::destroyForcibly)));  // a stopped one heeds nothing else
        try (MongoClient client = MongoClients.create(System.getenv("MONGODB_ATLAS_URL"))) {
            customers = client.getDatabase(System.getenv("DATABASE")).getCollection(System.getenv("COLLECTION"));
            if (!args[0].equals("measure")) floorListener(args[0].equals("print"));
            size = Size.BY_NAME.get(args[1]);
            templates = generate(1000).toList();
            System.out.println("| what | goal | figure | goal met | runs | spread | measured |\n|---|---|---|---|---|---|---|");
            for (String part : args[2].split(" ")) {
                switch (part) {
                    case "start" -> starts(Files.readAllLines(Path.of(args[3])));
                    case "listener" -> backlogs(Path.of(args[4]));
                    case "latency" -> latency();
                    case "insert" -> inserts();
                    case "write" -> {
                        for (String script : List.of("update", "delete", "resume_update")) writes(script);
                    }
                    default -> idle();
                }
            }
        }
        System.exit(0);
    }

    // ===== The table =====

    /** A row: what was measured, by its floor, in each run. */
    static final class Row {
        final String what, unit;
        final double goal;
        final boolean most;
        final List<Double> ones = new ArrayList<>(), floors = new ArrayList<>(), ratios = new ArrayList<>();
        String note = "";

        Row(String what, String most, double goal, String unit) {
            this.what = what;
            this.most = most.equals("at most");
            this.goal = goal;
            this.unit = unit;
        }

        Row add(double one, double floor) {
            ones.add(one);
            floors.add(floor);
            ratios.add(one / floor);
            return this;
        }

        void print() {
            double figure = median(ratios);
            System.out.println("| " + what + " | " + (most ? "at most " : "at least ") + number(goal) + " | " + number(figure) + " | "
                    + ((most ? figure <= goal : figure >= goal) ? "yes" : "no") + " | " + ratios.size() + " | "
                    + number(ratios.stream().min(Double::compare).get()) + " to " + number(ratios.stream().max(Double::compare).get())
                    + " | " + number(median(ones)) + unit + " by " + number(median(floors)) + unit + note + " |");
        }
    }

    static double median(List<Double> values) {
        return values.stream().sorted().toList().get((values.size() - 1) / 2);
    }

    static String number(double value) {
        return String.format(Locale.ROOT, value < 100 ? "%.2f" : "%.0f", value);
    }

    // ===== Processes =====

    /** A script, or a floor, that runs in a process of its own. */
    static final class Child implements AutoCloseable {
        final Process process;
        final Path output = Files.createTempFile(Path.of(System.getenv("BENCH_WORK")), "output", "");
        double peak;

        Child(boolean toFile, String script, Object... arguments) throws Exception {
            List<String> command = new ArrayList<>(List.of("test/jbang", "run", "--quiet", script));
            // JBang gives a floor the flags of insert.java as well, which are for a short life.
            if (script.equals("test/bench.java")) command.add(3, "-R=-XX:TieredStopAtLevel=4");
            for (Object argument : arguments) command.add(argument.toString());
            ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
            process = (toFile ? builder.redirectOutput(output.toFile()) : builder).start();
        }

        static Child listener(boolean toFile) throws Exception {
            return new Child(toFile, "listener.java", "--fail-after", 0);
        }

        /** Waits until all streams are open. */
        Child listening() throws Exception {
            while (Files.readString(output).split("listener thread started", -1).length <= 5) pause();
            return this;
        }

        /** Waits until the text stands at the end of what it printed. */
        void await(String text) throws Exception {
            byte[] tail = new byte[2000];
            try (RandomAccessFile file = new RandomAccessFile(output.toFile(), "r")) {
                for (int length = 0; length <= 0 || !new String(tail, 0, length, UTF_8).contains(text); pause()) {
                    file.seek(Math.max(0, file.length() - tail.length));
                    length = file.read(tail);
                }
            }
        }

        void pause() throws Exception {
            if (process.waitFor(5, TimeUnit.MILLISECONDS)) throw new IllegalStateException("ended: " + Files.readString(output));
        }

        double cpuSeconds() {
            return bench.cpuSeconds(process.toHandle());
        }

        void signal(String name) throws Exception {
            new ProcessBuilder("kill", "-s", name, "" + process.pid()).start().waitFor();
        }

        /** The most memory it held so far, in MB: Linux keeps that, elsewhere it is what it holds now. */
        double peak() throws Exception {
            String kilobytes;
            try (Stream<String> status = Files.lines(Path.of("/proc/" + process.pid() + "/status"))) { // starts no process: we ask often
                kilobytes = status.filter(line -> line.startsWith("VmHWM")).findFirst().orElse("");
            } catch (IOException | UncheckedIOException noLinuxOrEnded) {
                Process asked = new ProcessBuilder("ps", "-o", "rss=", "-p", "" + process.pid()).start();
                kilobytes = new String(asked.getInputStream().readAllBytes(), UTF_8);
            }
            kilobytes = kilobytes.replaceAll("\\D", "");
            return kilobytes.isEmpty() ? peak : (peak = Math.max(peak, Integer.parseInt(kilobytes) / 1024.0));
        }

        /** The microseconds per customer that it says it took, once it has ended. */
        double micros(int count) throws Exception {
            while (!process.waitFor(50, TimeUnit.MILLISECONDS)) peak();
            Matcher said = Pattern.compile("Elapsed \\(in seconds\\): ([0-9.]+)").matcher(Files.readString(output));
            if (process.exitValue() != 0 || !said.find()) throw new IllegalStateException("failed: " + Files.readString(output));
            Files.delete(output);
            return Double.parseDouble(said.group(1)) / count * 1e6;
        }

        @Override
        public void close() throws Exception {
            process.destroyForcibly().waitFor();
            Files.delete(output);
        }
    }

    static double cpuSeconds(ProcessHandle process) {
        return process.info().totalCpuDuration().orElseThrow().toNanos() / 1e9;
    }

    // ===== Start =====

    /** Lines of what was started, and what bash says that it took: elapsed, user, system. Each was started in each run. */
    static void starts(List<String> lines) {
        Map<String, List<double[]>> taken = new HashMap<>();
        for (String line : lines) {
            String[] words = line.replace(',', '.').split(" ");
            taken.computeIfAbsent(words[0], ignored -> new ArrayList<>()).add(new double[]{
                    Double.parseDouble(words[1]), Double.parseDouble(words[2]) + Double.parseDouble(words[3])});
        }
        start("reset, own process: CPU, by plain flags", 0.5, 1, taken.get("header"), taken.get("plain"));
        start("reset, own process: time, by plain flags", 0.6, 0, taken.get("header"), taken.get("plain"));
        start("test/jbang reset as a whole: time, by its own process", 2, 0, taken.get("whole"), taken.get("header"));
        if (!taken.containsKey("aot")) return;
        start("reset with an AOT cache: CPU, by plain flags", 0.46, 1, taken.get("aot"), taken.get("plain"));
        start("reset with an AOT cache: time, by plain flags", 0.48, 0, taken.get("aot"), taken.get("plain"));
    }

    static void start(String what, double goal, int figure, List<double[]> ones, List<double[]> floors) {
        Row row = new Row(what, "at most", goal, " s");
        for (int i = 0; i < ones.size(); i++) row.add(ones.get(i)[figure], floors.get(i)[figure]);
        row.print();
    }

    // ===== Listener =====

    /** Five streams as the listener has them, that count; prints of each customer the e-mail address, or only of the last. */
    static void floorListener(boolean each) throws InterruptedException {
        for (Bson filter : List.of(
                Filters.and(Filters.eq("operationType", "insert"), Filters.elemMatch("fullDocument.accounts",
                        Filters.and(Filters.eq("type", "checking"), Filters.lt("balance", 0)))),
                Filters.eq("operationType", "update"), Filters.eq("operationType", "delete"), Filters.eq("operationType", "replace"),
                Filters.exists("updateDescription.updatedFields.resumeCounter"))) {
            MongoChangeStreamCursor<ChangeStreamDocument<Document>> cursor =
                    customers.watch(List.of(Aggregates.match(filter))).maxAwaitTime(1, TimeUnit.SECONDS).cursor();
            System.out.println("listener thread started");
            new Thread(() -> {
                for (long seen = 0; ; ) {
                    ChangeStreamDocument<Document> event = cursor.tryNext();
                    if (event == null) continue;
                    seen++;
                    String email = event.getFullDocument().getString("email");
                    if (each || email.startsWith("end-")) System.out.println("Emailing user: " + email + " " + seen);
                }
            }).start();
        }
        Thread.currentThread().join();
    }

    static Document customer(int i, String email, int balance) {
        Document customer = new Document(templates.get(i % templates.size())).append("email", email);
        List<Document> accounts = customer.getList("accounts", Document.class);
        return customer.append("accounts", List.of(accounts.get(0), new Document(accounts.get(1)).append("balance", balance)));
    }

    static void insert(int count, int balance, String last) {
        for (int from = 0; from < count; from += 1000)
            customers.insertMany(IntStream.range(from, Math.min(count, from + 1000))
                    .mapToObj(i -> customer(i, i == count - 1 ? last : "a@example.org", balance)).toList());
    }

    record Backlog(double perSecond, double micros, double peak) {
    }

    /** What a process makes of so many events that were written while it stood still; small ones several times, for the clock. */
    static Backlog backlog(Child child, int events) throws Exception {
        double cpu = child.cpuSeconds(), seconds = 0;
        int times = Math.max(1, size.warmUp / events);
        for (int i = 0; i < times; i++) {
            String last = "end-" + System.nanoTime() + "@example.org";
            child.signal("STOP");
            insert(events, -100, last);
            long start = System.nanoTime();
            child.signal("CONT");
            child.await(last);
            seconds += (System.nanoTime() - start) / 1e9;
        }
        return new Backlog(times * events / seconds, (child.cpuSeconds() - cpu) / times / events * 1e6, child.peak());
    }

    static List<Backlog> backlogs(Child listener) throws Exception {
        List<Backlog> all = new ArrayList<>();
        try (Child child = listener.listening()) {
            backlog(child, size.warmUp);
            for (int events : size.events) all.add(backlog(child, events));
        }
        customers.drop();
        return all;
    }

    static void backlogs(Path points) throws Exception {
        int last = size.events.size() - 1;
        String of = size.events.get(last) + " events", by = of + ", by " + size.events.get(0);
        Row rate = new Row("listener, backlog of " + of + ": events a second, by the bare driver", "at least", 0.8, "/s");
        Row flat = new Row("listener, CPU per event: " + by, "at most", 1.3, " us");
        Row memory = new Row("listener, peak memory: " + by, "at most", 1.3, " MB");
        List<Row> plot = size.events.stream().map(ignored -> new Row("", "", 0, "")).toList();
        for (int run = 0; run < size.runs; run++) {
            List<Backlog> floor = backlogs(new Child(true, "test/bench.java", "count")), ours = backlogs(Child.listener(true));
            rate.add(ours.get(last).perSecond, floor.get(last).perSecond);
            flat.add(ours.get(last).micros, ours.get(0).micros);
            memory.add(ours.get(last).peak, ours.get(0).peak);
            for (int i = 0; i <= last; i++) plot.get(i).add(ours.get(i).micros, floor.get(i).micros);
        }
        flat.note = "; bare driver " + number(median(plot.get(last).floors)) + " us";
        for (Row row : List.of(rate, flat, memory)) row.print();
        List<String> lines = new ArrayList<>();
        for (int i = 0; i <= last; i++)
            lines.add(size.events.get(i) + "\t" + number(median(plot.get(i).ones)) + "\t" + number(median(plot.get(i).floors)));
        Files.write(points, lines);
    }

    /** Milliseconds from the acknowledged write to the printed line, in order. */
    static double[] latencies(Child listener) throws Exception {
        try (Child child = listener) {
            Map<Integer, Long> printed = new ConcurrentHashMap<>();
            int writes = WRITES_A_SECOND * size.latencySeconds, warmUp = 2 * writes;
            BufferedReader output = child.process.inputReader(UTF_8);
            for (int started = 0; started < 5; ) if (output.readLine().contains("listener thread started")) started++;
            Pattern email = Pattern.compile("Emailing user: k(\\d+)@");
            Thread reader = new Thread(() -> output.lines().map(email::matcher).filter(Matcher::find).limit(warmUp + writes)
                    .forEach(found -> printed.put(Integer.parseInt(found.group(1)), System.nanoTime())));
            reader.start();
            long[] acknowledged = new long[warmUp + writes];
            long start = System.nanoTime();
            for (int i = 0; i < acknowledged.length; i++) {
                TimeUnit.NANOSECONDS.sleep(start + i * 1_000_000_000L / WRITES_A_SECOND - System.nanoTime());
                customers.insertOne(customer(i, "k" + i + "@example.org", -100));
                acknowledged[i] = System.nanoTime();
            }
            reader.join();
            return IntStream.range(warmUp, acknowledged.length).mapToDouble(i -> Math.max(0.01, (printed.get(i) - acknowledged[i]) / 1e6))
                    .sorted().toArray();
        }
    }

    static void latency() throws Exception {
        String what = "latency, acknowledged to printed, five streams, " + WRITES_A_SECOND + " writes/s, by the bare driver: ";
        Row p50 = new Row(what + "p50", "at most", 1.5, " ms"), p99 = new Row(what + "p99", "at most", 3, " ms");
        for (int run = 0; run < size.runs; run++) {
            double[] floor = latencies(new Child(false, "test/bench.java", "print")), ours = latencies(Child.listener(false));
            p50.add(ours[ours.length / 2], floor[floor.length / 2]);
            p99.add(ours[ours.length * 99 / 100], floor[floor.length * 99 / 100]);
        }
        p50.print();
        p99.print();
    }

    static void idle() throws Exception {
        ProcessHandle sandbox = Stream.of(System.getenv("BENCH_SANDBOX")).filter(pid -> !pid.isEmpty())
                .map(pid -> ProcessHandle.of(Long.parseLong(pid)).get()).findFirst().orElse(null);
        List<Child> listeners = new ArrayList<>();
        for (int i = 0; i < 5; i++) listeners.add(Child.listener(true));
        for (Child listener : listeners) listener.listening();
        Thread.sleep(size.idleSeconds * 100L);  // what starting left to do
        List<Double> before = listeners.stream().map(Child::cpuSeconds).toList();
        double sandboxBefore = sandbox == null ? 0 : cpuSeconds(sandbox);
        Thread.sleep(size.idleSeconds * 1000L);
        String what = " of a core, for " + size.idleSeconds + " s";
        Row row = new Row("five idle listeners: % each" + what, "at most", 1, " s CPU");
        for (int i = 0; i < 5; i++) row.add(listeners.get(i).cpuSeconds() - before.get(i), size.idleSeconds / 100.0);
        row.print();
        if (sandbox != null)
            new Row("the sandbox meanwhile: %" + what, "at most", 1, " s CPU")
                    .add(cpuSeconds(sandbox) - sandboxBefore, size.idleSeconds / 100.0).print();
        for (Child listener : listeners) listener.close();
    }

    // ===== Writers =====

    /** Customers as insert.java makes them. */
    static Stream<Document> generate(int count) throws ReflectiveOperationException {
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

    static void inserts() throws Exception {
        int first = size.inserted.get(0), last = size.inserted.get(size.inserted.size() - 1);
        Row time = new Row("insert --delay 0, time per customer: " + last + " customers, by " + first, "at most", 1.3, " us");
        Row memory = new Row("insert --delay 0, peak memory: " + last + " customers, by " + first, "at most", 1.3, " MB");
        Row rate = new Row("insert --delay 0: " + last + " customers a second, by generating them alone", "at least", 0.5, "/s");
        List<Double> ready = new ArrayList<>();
        for (int run = 0; run < size.runs; run++) {
            List<Double> micros = new ArrayList<>(), peaks = new ArrayList<>();
            for (int count : size.inserted) {
                Child child = new Child(true, "insert.java", "--delay", 0, "--records", count);
                micros.add(child.micros(count));
                peaks.add(child.peak);
                customers.drop();
            }
            long start = System.nanoTime();
            generate(last).forEach(customer -> { });
            double floor = (System.nanoTime() - start) / 1e9;
            start = System.nanoTime();
            insert(last, -100, "last@example.org");
            ready.add(last / ((System.nanoTime() - start) / 1e9));
            customers.drop();
            time.add(micros.get(micros.size() - 1), micros.get(0));
            memory.add(peaks.get(peaks.size() - 1), peaks.get(0));
            rate.add(1e6 / micros.get(micros.size() - 1), last / floor);
        }
        rate.note = "; bare driver, with customers made before " + number(median(ready)) + "/s";
        for (Row row : List.of(time, memory, rate)) row.print();
    }

    /** What a writer does for each customer: look, and change that one. */
    static void floorWrite(String script) {
        int counter = 0;
        for (Document found : customers.find(Filters.exists("accounts")).projection(Projections.include("_id")).batchSize(1000)) {
            Bson one = Filters.and(Filters.eq("_id", found.get("_id")), Filters.elemMatch("accounts", Filters.eq("type", "checking")));
            switch (script) {
                case "update" -> customers.updateOne(one, Updates.inc("accounts.$.balance", 100));
                case "delete" -> customers.deleteOne(one);
                default -> customers.updateOne(one, Updates.set("resumeCounter", ++counter));
            }
        }
    }

    /** A script that scans the collection for each customer takes ten times as long for each in one ten times as large. */
    static void writes(String script) throws Exception {
        int balance = Map.of("update", 500, "delete", -100, "resume_update", 2000).get(script);
        int few = size.written.get(0), many = size.written.get(1);
        Row flat = new Row(script + " --delay 0, time per customer: " + many + " customers, by " + few, "at most", 1.3, " us");
        List<Double> floors = new ArrayList<>();
        for (int run = 0; run < size.runs; run++) {
            double[] micros = new double[3];
            for (int i = 0; i < 3; i++) {
                customers.drop();
                insert(i == 0 ? few : many, balance, "last@example.org");
                long start = System.nanoTime();
                if (i == 2) floorWrite(script);
                micros[i] = i == 2 ? (System.nanoTime() - start) / 1e3 / many
                        : new Child(true, script + ".java", "--delay", 0).micros(i == 0 ? few : many);
            }
            flat.add(micros[1], micros[0]);
            floors.add(micros[2]);
        }
        flat.note = "; bare driver " + number(median(floors)) + " us";
        flat.print();
        customers.drop();
    }
}
