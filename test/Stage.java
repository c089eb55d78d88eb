import com.googlecode.lanterna.*;
import com.googlecode.lanterna.graphics.*;
import com.googlecode.lanterna.input.*;
import com.googlecode.lanterna.screen.TerminalScreen;
import com.googlecode.lanterna.terminal.ansi.UnixTerminal;
import java.io.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.function.Supplier;
import java.util.stream.*;
import java.nio.file.Path;
import org.bson.Document;
import org.bson.json.JsonWriterSettings;
import picocli.CommandLine.Option;

import static java.nio.charset.StandardCharsets.UTF_8;

/** The screen of the show: a header, the writer to the left, the listener to the right, a foot, and keys. */
abstract class Stage {

    enum Kind {
        INSERT(28, 2), UPDATE(33, 4), DELETE(160, 1), REPLACE(134, 5), RESUME(136, 3);

        final String style, title = name().toLowerCase(Locale.ROOT);
        final Set<String> tokens = new HashSet<>(); // of the events that were shown
        String about = "", filter = "";
        volatile int written;
        int repeated;

        Kind(int of256, int of16) { style = style(of256, of16, false); }

        static Kind of(String name) { return valueOf(name.toUpperCase(Locale.ROOT)); }

        int shown() { return tokens.size(); }
    }

    static final int WRITER = 0, LISTENER = 1, LEFT = 32, RIGHT = 46; // columns: they fit 80
    static final String BOLD = "1", REVERSE = "7", MORE = "\u2026"; // what is left out
    static final String KEYS = """
        Enter                          goes on: with --pause, or sooner than by itself
        Space                          holds the show at the end of this step, or lets it go on
        e                              the last event, whole, as MongoDB sent it
        f                              the filters of the five streams, as MongoDB got them
        c                              what to say now, and what is always asked
        Up, Down, Page Up, Page Down   scroll
        q, Ctrl-C                      end everything""";

    /** A line of a side: whom it is about, and what it says at the moment. */
    record Cell(String who, Supplier<String> text) {}

    final List<List<Cell>> sides = List.of(new ArrayList<>(), new ArrayList<>());
    final List<String> log = new ArrayList<>();
    final Semaphore enter = new Semaphore(0);
    final PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, UTF_8);
    String place = "", title = "Setting up", sentence = "A stand-in for MongoDB is started.";
    Kind kind; // whose filter is shown
    List<String> slide = List.of(); // in the place of both sides
    Document last = new Document(); // event
    volatile boolean over, left; // everything ends; the screen is not there any more
    volatile boolean held, waits;
    char view;
    int scroll;

    @Option(names = "--pause", description = "Wait for Enter before and after each step.") boolean pause;
    @Option(names = "--plain", description = "One line for each write and event, no screen.") boolean plain;
    @Option(names = "--card", description = "Print what to say, and what is always asked.") boolean card;
    @Option(names = "--picture", paramLabel = "FILE.svg", description = "Draw some screens of it.")
    Path picture;

    // ===== What is on it: lines, with the terminal's own codes for their style in them =====

    /** Of 256 colors those that stand out from black and from white, of 16 each on a ground of its own. */
    static String style(int of256, int of16, boolean bar) {
        if (!setting("NO_COLOR").isEmpty()) return bar ? "1;7" : BOLD;
        boolean many = setting("TERM").contains("256") || !setting("COLORTERM").isEmpty();
        if (many || isDumb()) return bar ? "1;38;5;231;48;5;" + of256 : "1;38;5;" + of256;
        return (of16 == 2 || of16 == 3 ? "30;4" : "1;37;4") + of16;
    }

    static String setting(String name) { return System.getenv().getOrDefault(name, ""); }

    static boolean isTerminal() {
        try {
            Object console = System.console(); // from Java 22 to 24 never null
            return console != null && (boolean) Console.class.getMethod("isTerminal").invoke(console);
        } catch (ReflectiveOperationException e) {
            return true;
        }
    }

    static boolean isDumb() { return setting("TERM").isEmpty() || setting("TERM").equals("dumb"); }

    static String in(String style, String text) { return "\033[" + style + "m" + text + "\033[0m"; }

    static String bare(String line) { return line.replaceAll("\033\\[[0-9;]*m", "").stripTrailing(); }

    /** A name, and a detail that ends at this column; the name gives way. */
    static String columns(int width, String name, String detail) {
        int room = width - detail.length() - 1;
        String fitting = name.length() > room ? name.substring(0, room - 1) + MORE : name;
        return String.format("%-" + room + "s %s", fitting, detail).replaceAll("\\p{Cntrl}", "?");
    }

    /** Breaks a line between words. */
    static List<String> wrapped(String text, int width) {
        List<String> lines = new ArrayList<>();
        while (text.length() > width) {
            int space = text.lastIndexOf(' ', width);
            int end = space > 0 ? space : width;
            lines.add(text.substring(0, end));
            text = text.substring(end).strip();
        }
        lines.add(text);
        return lines;
    }

    void say(String line) {
        log.add(bare(line));
        if (plain) out.println(bare(line));
    }

    synchronized void begin(String place, String title, String sentence, Kind kind) {
        this.place = place;
        this.title = title;
        this.sentence = sentence;
        this.kind = kind;
        sides.forEach(List::clear);
        slide = List.of();
        say("");
        header(80).forEach(this::say);
    }

    List<String> header(int width) {
        String left = in(REVERSE, " " + place + " ") + "  " + in(BOLD, title);
        if (kind == null) return List.of(left, "  " + sentence, "");
        String about = in(kind.style, kind.title + ": " + kind.about);
        String gap = " ".repeat(Math.max(2, width - 1 - bare(left + about).length()));
        List<String> lines = new ArrayList<>(List.of(left + gap + about, "  " + sentence));
        wrapped(kind.filter, width - 4).forEach(line -> lines.add("  " + line));
        return lines;
    }

    /** An event stands beside the write that it tells of, and nothing stands above what came before it. */
    synchronized void put(int side, String who, Supplier<String> text) {
        List<Cell> here = sides.get(side), there = sides.get(1 - side);
        int at = Math.max(here.size(), there.size() - 1);
        for (int n = here.size(); n < there.size() && side == LISTENER; n++)
            if (!who.isEmpty() && there.get(n).who.equals(who)) at = n;
        while (here.size() < at) here.add(new Cell("", () -> ""));
        here.add(new Cell(who, text));
        say((side == WRITER ? "writer    " : "listener  ") + text.get());
        if (plain) drawn();
        notifyAll();
    }

    /** Time to look at it, in seconds. */
    void look(double seconds) throws InterruptedException {
        enter.drainPermits(); // an Enter that came too early skips nothing
        waits = true;
        for (double left = seconds; left > 0; left -= pause || held ? 0 : 0.05)
            if (enter.tryAcquire(50, TimeUnit.MILLISECONDS)) break;
        waits = false;
    }

    // ===== When the listener hears nothing: a red bar, and then a green one =====

    final List<Failure> failures = new ArrayList<>();
    final List<Long> fresh = new ArrayList<>(), latencies = new ArrayList<>();
    volatile Failure failure; // the one of now

    class Failure {
        final String title, words;
        final long fell = System.nanoTime();
        String lasted = "", first = "";
        long rose;
        int seconds, waiting;

        Failure(String title, String words) {
            this.title = title;
            this.words = words;
        }

        String bar() {
            if (lasted.isEmpty()) {
                seconds = (int) ((System.nanoTime() - fell) / 1_000_000_000);
                waiting = Kind.RESUME.written - Kind.RESUME.shown();
            }
            String text = String.format(words, seconds) + ": " + waiting + " written, not shown";
            return in(style(160, 1, true), String.format(" %-45s", lasted.isEmpty() ? text + " yet" : text));
        }
    }

    synchronized void fall(String title, String words) {
        if (failure != null) return;
        failure = new Failure(title, words);
        failures.add(failure);
        put(LISTENER, "", failure::bar);
    }

    synchronized void rise(String lasted) {
        if (failure == null) return;
        snap();
        double seconds = (System.nanoTime() - failure.fell) / 1e9;
        failure.lasted = lasted.isEmpty() ? String.format(Locale.ROOT, "after %.1f s", seconds) : lasted;
        failure.rose = System.currentTimeMillis();
        String bar = String.format(" %-45s", "BACK " + failure.lasted);
        failure = null;
        put(LISTENER, "", () -> in(style(28, 2, true), bar));
    }

    /** Something is heard: perhaps the first after a failure; else how long it takes to the screen counts. */
    void heardFrom(String who, long written) {
        rise("");
        Failure before = failures.isEmpty() ? null : failures.get(failures.size() - 1);
        if (before != null && before.first.isEmpty())
            before.first = who + ", " + (System.currentTimeMillis() - before.rose) + " ms later";
        if (before == null || written > before.rose) fresh.add(written);
    }

    String latency() {
        Collections.sort(latencies);
        if (latencies.isEmpty()) return "";
        return String.format("%n  From the write to the screen, without failure: %d ms (median), %d (worst)",
            latencies.get(latencies.size() / 2), latencies.get(latencies.size() - 1));
    }

    void drawn() {
        for (long written : fresh) if (written > 0) latencies.add(System.currentTimeMillis() - written);
        fresh.clear();
    }

    // ===== How it is drawn =====

    String tally() {
        return Stream.of(Kind.values())
            .map(kind -> in(kind.style, kind.title + " " + kind.shown() + "/" + kind.written))
            .collect(Collectors.joining("  ", " ", ""));
    }

    List<String> filters() {
        List<String> lines = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            lines.add(in(kind.style, String.format("%-8s", kind)) + in(BOLD, kind.about));
            wrapped(kind.filter, 74).forEach(line -> lines.add("  " + line));
        }
        lines.add("And invalidate events, all of them: news that the collection was dropped.");
        return lines;
    }

    List<String> page() {
        return switch (view) {
            case 'e' -> last.toJson(JsonWriterSettings.builder().indent(true).build()).lines()
                .flatMap(line -> wrapped(line, 78).stream()).toList();
            case 'f' -> filters();
            case 'c' -> card().stream().dropWhile(line -> !line.startsWith(place.substring(0, 2))).toList();
            case '?' -> KEYS.lines().toList();
            default -> slide;
        };
    }

    List<String> card() {
        InputStream text = getClass().getResourceAsStream("/card.txt");
        return new BufferedReader(new InputStreamReader(text, UTF_8)).lines().toList();
    }

    synchronized void draw(TextGraphics screen) {
        int width = screen.getSize().getColumns(), height = screen.getSize().getRows();
        screen.fill(' ');
        if (width < 80 || height < 20) {
            lines(screen, 0, 0, width, height - 1, log);
            lines(screen, 0, height - 1, width, 1, List.of(in(REVERSE, "The screen needs 80 x 20.")));
            return;
        }
        List<String> header = header(width), page = page();
        int top = header.size(), space = height - 3 - top, middle = width * 42 / 100;
        lines(screen, 0, 0, width, top, header);
        screen.drawLine(0, top, width, top, Symbols.SINGLE_LINE_HORIZONTAL);
        if (page.isEmpty()) {
            screen.putString(1, top, " writer ").putString(middle + 1, top, " listener ");
            screen.drawLine(middle, top + 1, middle, height - 3, Symbols.SINGLE_LINE_VERTICAL);
            int first = Math.max(0, Math.max(sides.get(WRITER).size(), sides.get(LISTENER).size()) - space);
            lines(screen, 0, top + 1, middle, space, texts(WRITER, first));
            lines(screen, middle + 1, top + 1, width - middle - 1, space, texts(LISTENER, first));
        } else {
            scroll = Math.max(0, Math.min(scroll, page.size() - space));
            lines(screen, 1, top + 1, width - 1, space, page.stream().skip(scroll).limit(space).toList());
        }
        screen.drawLine(0, height - 2, width, height - 2, Symbols.SINGLE_LINE_HORIZONTAL);
        String key = held ? in(REVERSE, " Space ") : waits && pause ? in(REVERSE, " Enter ") : "";
        lines(screen, 0, height - 1, width, 1, List.of(tally() + "  ? q  " + key));
    }

    List<String> texts(int side, int first) {
        return sides.get(side).stream().skip(first).map(cell -> cell.text.get()).toList();
    }

    /** The last of these lines, as many as fit there. */
    static void lines(TextGraphics screen, int x, int y, int width, int height, List<String> lines) {
        var area = screen.newTextGraphics(new TerminalPosition(x, y), new TerminalSize(width, height));
        int first = Math.max(0, lines.size() - height);
        for (int n = first; n < lines.size(); n++) area.putCSIStyledString(0, n - first, lines.get(n));
    }

    void pressed(KeyStroke stroke) {
        char key = stroke.getCharacter() == null ? 0 : stroke.getCharacter();
        if (key == 'q' || key == 'c' && stroke.isCtrlDown()) System.exit(130);
        switch (stroke.getKeyType()) {
            case ArrowUp -> scroll--;
            case ArrowDown -> scroll++;
            case PageUp -> scroll -= 10;
            case PageDown -> scroll += 10;
            case Enter -> enter.release();
            default -> {
                if (key == ' ') held = !held;
                view = key == view || "efc?".indexOf(key) < 0 ? 0 : key;
                scroll = 0;
            }
        }
    }

    /** Plays the show in a thread of its own, and meanwhile draws it. */
    void perform(Callable<Void> show) throws Exception {
        FutureTask<Void> playing = new FutureTask<>(show);
        Thread director = new Thread(playing);
        director.setDaemon(true);
        director.start();
        if (!plain) drawUntil(playing);
        try {
            playing.get();
        } catch (ExecutionException e) {
            Thread.sleep(300); // who pressed Ctrl-C has ended the scripts first
            if (over) Thread.currentThread().join();
            throw new IllegalStateException(e.getCause().getMessage(), e.getCause());
        }
    }

    void drawUntil(Future<Void> end) throws IOException, InterruptedException {
        try (Terminal terminal = new Terminal(); TerminalScreen screen = new TerminalScreen(terminal)) {
            screen.startScreen();
            screen.setCursorPosition(null);
            while (!end.isDone()) {
                synchronized (this) {
                    if (over || left) continue;
                    screen.doResizeIfNecessary();
                    draw(screen.newTextGraphics());
                    screen.refresh();
                    drawn();
                }
                KeyStroke key = screen.pollInput();
                if (key != null && key.getKeyType() != KeyType.EOF) pressed(key);
                else synchronized (this) { wait(50); }
            }
            if (over) Thread.currentThread().join(); // Lanterna restores the terminal, too
        }
    }

    class Terminal extends UnixTerminal {

        Terminal() throws IOException { // with a buffer that lets each drawing arrive in one piece
            super(System.in, new BufferedOutputStream(new FileOutputStream(FileDescriptor.out), 1 << 17),
                UTF_8, CtrlCBehaviour.TRAP);
        }

        /** Not by a question to the terminal, whose answer would come among the keys. */
        @Override
        protected TerminalSize findTerminalSize() throws IOException {
            String[] size = runSTTYCommand("size").split(" ");
            return new TerminalSize(Integer.parseInt(size[1]), Integer.parseInt(size[0]));
        }

        /** Makes Ctrl-Z and Ctrl-\ keys, too; at the end all settings become what they were. */
        @Override
        protected void keyStrokeSignalsEnabled(boolean enabled) throws IOException {
            if (!enabled) runSTTYCommand("-isig");
        }

        /** Lanterna calls this after TERM and HUP, in a thread of its own. */
        @Override
        public void exitPrivateMode() throws IOException {
            synchronized (Stage.this) {
                if (!left) super.exitPrivateMode();
                left = true;
            }
        }
    }

    // ===== Its picture =====

    static final int COLUMNS = 100, ROWS = 26, ACROSS = 8, DOWN = 18, MARGIN = 16, SECONDS_EACH = 4;
    final List<String> screens = new ArrayList<>();

    void snap() {
        if (picture == null) return;
        TextImage screen = new BasicTextImage(COLUMNS, ROWS);
        draw(screen.newTextGraphics());
        StringBuilder drawn = new StringBuilder();
        for (int row = 0; row < ROWS; row++) {
            for (int x = 0, end; x < COLUMNS; x = end) {
                TextCharacter first = screen.getCharacterAt(x, row);
                end = x + 1;
                while (end < COLUMNS && alike(first, screen.getCharacterAt(end, row))) end++;
                drawn.append(piece(screen, row, x, end));
            }
        }
        screens.add(drawn.toString());
    }

    static boolean alike(TextCharacter one, TextCharacter other) {
        return one.withCharacter(' ').equals(other.withCharacter(' '));
    }

    static String piece(TextImage screen, int row, int from, int end) {
        TextCharacter style = screen.getCharacterAt(from, row);
        StringBuilder text = new StringBuilder();
        for (int x = from; x < end; x++) text.append(screen.getCharacterAt(x, row).getCharacterString());
        String place = String.format(" x=\"%d\" y=\"%d\" ", MARGIN + from * ACROSS, MARGIN + row * DOWN);
        String ground = style.getBackgroundColor() == TextColor.ANSI.DEFAULT ? ""
            : String.format("<rect%swidth=\"%d\" height=\"%d\"%s/>%n", place, (end - from) * ACROSS, DOWN,
                color(style.getBackgroundColor()));
        if (text.toString().isBlank()) return ground;
        return ground + String.format("<text%sdy=\"14\"%s%s>%s</text>%n", place,
            style.isBold() ? " font-weight=\"bold\"" : "", color(style.getForegroundColor()),
            text.toString().stripTrailing().replace("&", "&amp;").replace("<", "&lt;"));
    }

    static String color(TextColor color) {
        if (color == TextColor.ANSI.DEFAULT) return "";
        return String.format(" fill=\"#%02x%02x%02x\"", color.getRed(), color.getGreen(), color.getBlue());
    }

    /** The screens in turn; only the last of them where nothing shall move. */
    String svg() {
        int width = 2 * MARGIN + COLUMNS * ACROSS, height = 2 * MARGIN + ROWS * DOWN;
        int turn = SECONDS_EACH * screens.size();
        StringBuilder svg = new StringBuilder(String.format(Locale.ROOT, """
            <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%1$d" height="%2$d" role="img"
              font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace"
              font-size="13.3" xml:space="preserve">
            <title>The demo: left what a script writes, right what the listener shows of it</title>
            <style>
            g{fill:#e6edf3;visibility:hidden;animation:turn %ds step-end infinite}
            @keyframes turn{0%%{visibility:visible}%.3f%%{visibility:hidden}}
            g:last-of-type{visibility:visible} @media (prefers-reduced-motion:reduce){g{animation:none}}
            </style>
            <rect width="100%%" height="100%%" rx="8" fill="#0d1117"/>
            """, width, height, turn, 100.0 / screens.size()));
        for (int n = 0; n < screens.size(); n++)
            svg.append(String.format("<g style=\"animation-delay:%ds\">%n%s</g>%n", SECONDS_EACH * n - turn,
                screens.get(n)));
        return svg + "</svg>\n";
    }
}
