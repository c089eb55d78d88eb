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

import static com.googlecode.lanterna.TerminalTextUtils.getWordWrappedText;
import static java.nio.charset.StandardCharsets.UTF_8;

/** The screen of the show: a header, the writer to the left, the listener to the right, a foot, and keys. */
abstract class Stage {

    enum Kind {
        INSERT(GREEN), UPDATE("1;37;44"), DELETE(RED), REPLACE("1;37;45"), RESUME("30;43");

        final String style, title = name().toLowerCase(Locale.ROOT);
        String about = "", filter = "";
        volatile int written, shown;

        Kind(String style) { this.style = style; }

        static Kind of(String name) { return valueOf(name.toUpperCase(Locale.ROOT)); }
    }

    static final int WRITER = 0, LISTENER = 1, LEFT = 32, RIGHT = 46; // columns: they fit 80
    static final String BOLD = "1", REVERSE = "7", GREEN = "30;42", RED = "1;37;41";
    static final String MORE = "\u2026"; // what is left out
    static final String KEYS = """
        Enter               goes on: with --pause, or sooner than by itself
        Space               holds the show at the end of this step, or lets it go on
        e                   the last event, whole, as MongoDB sent it
        f                   the filters of the five streams, as MongoDB got them
        c                   what to say now, and what is always asked
        Up, Down, Page      scroll
        q, Ctrl-C           end everything""";

    /** The kind is the one whose filter is shown. */
    record Step(String title, String sentence, Kind kind, Play play) {}

    interface Play { void run() throws Exception; }

    /** A line of a side: whom it is about, and what it says at the moment. */
    record Cell(String who, Supplier<String> text) {}

    final List<List<Cell>> sides = List.of(new ArrayList<>(), new ArrayList<>());
    final List<String> log = new ArrayList<>();
    final Semaphore enter = new Semaphore(0);
    final PrintStream out = new PrintStream(new FileOutputStream(FileDescriptor.out), true, UTF_8);
    List<Step> steps = List.of();
    Step step = new Step("Setting up", "A stand-in for MongoDB is started.", null, null);
    int number; // of the step
    List<String> slide = List.of(); // in the place of both sides
    Document last = new Document(); // event
    volatile boolean over, left; // everything ends; the screen is not there any more
    volatile boolean held, waits;
    TerminalScreen screen; // none with --plain
    char view;
    int scroll;

    @Option(names = "--pause", description = "Wait for Enter before and after each step.") boolean pause;
    @Option(names = "--plain", description = "One line for each write and event, no screen.") boolean plain;
    @Option(names = "--card", description = "Print what to say, and what is always asked.") boolean card;
    @Option(names = "--picture", paramLabel = "FILE.svg", description = "Draw some screens of it.")
    Path picture;

    // ===== What is on it: lines, with the terminal's own codes for their style in them =====

    static String setting(String name) { return System.getenv().getOrDefault(name, ""); }

    /** Each color has a ground of its own, so that it stands out on black and on white. */
    static String in(String style, String text) {
        String seen = style.length() > 1 && !setting("NO_COLOR").isEmpty() ? "1;7" : style;
        return "\033[" + seen + "m" + text + "\033[0m";
    }

    static String bare(String line) { return line.replaceAll("\033\\[[0-9;]*m", "").stripTrailing(); }

    /** A name, and a detail that ends at this column; the name gives way. */
    static String columns(int width, String name, String detail) {
        int room = width - detail.length() - 1;
        String fitting = name.length() > room ? name.substring(0, room - 1) + MORE : name;
        return String.format("%-" + room + "s %s", fitting, detail).replaceAll("\\p{Cntrl}", "?");
    }

    void say(String line) {
        log.add(bare(line));
        if (plain) out.println(bare(line));
    }

    synchronized void begin(int number) {
        this.number = number;
        step = steps.get(number - 1);
        sides.forEach(List::clear);
        slide = List.of();
        say("");
        header(80).forEach(this::say);
    }

    List<String> header(int width) {
        Kind kind = step.kind;
        String left = in(REVERSE, " " + number + " of " + steps.size() + " ") + "  " + in(BOLD, step.title);
        String about = kind == null ? "" : in(kind.style, kind.title + ": " + kind.about);
        String gap = " ".repeat(Math.max(2, width - 1 - bare(left + about).length()));
        List<String> lines = new ArrayList<>(List.of(left + gap + about, "  " + step.sentence));
        for (String line : getWordWrappedText(width - 4, kind == null ? "" : kind.filter))
            lines.add("  " + line);
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
        show();
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
    final List<Long> latencies = new ArrayList<>();
    volatile Failure failure; // the one of now

    class Failure {
        final String title;
        final long fell = System.currentTimeMillis();
        long rose;
        String bar, lasted = "", first = "";

        Failure(String title) { this.title = title; }

        String bar() {
            if (rose == 0) bar = String.format("%s for %d s: %d written, not shown", title,
                (System.currentTimeMillis() - fell) / 1000, Kind.RESUME.written - Kind.RESUME.shown);
            return in(RED, String.format(" %-45s", bar));
        }
    }

    synchronized void fall(String title) {
        if (failure != null) return;
        failure = new Failure(title);
        failures.add(failure);
        put(LISTENER, "", failure::bar);
    }

    synchronized void rise(String lasted) {
        if (failure == null) return;
        snap();
        failure.rose = System.currentTimeMillis();
        double seconds = (failure.rose - failure.fell) / 1000.0;
        failure.lasted = lasted.isEmpty() ? String.format(Locale.ROOT, "after %.1f s", seconds) : lasted;
        String bar = String.format(" %-45s", "BACK " + failure.lasted);
        failure = null;
        put(LISTENER, "", () -> in(GREEN, bar));
    }

    /** What is shown now: perhaps the first after a failure; else how long it took from the write counts. */
    void heardFrom(String who, long written) {
        long now = System.currentTimeMillis();
        Failure before = failures.isEmpty() ? null : failures.get(failures.size() - 1);
        if (before != null && before.first.isEmpty())
            before.first = who + ", " + (now - before.rose) + " ms later";
        if (written > (before == null ? 0 : before.rose)) latencies.add(now - written);
    }

    // ===== How it is drawn =====

    List<String> filters() {
        List<String> lines = new ArrayList<>();
        for (Kind kind : Kind.values()) {
            lines.add(in(kind.style, String.format("%-7s", kind)) + " " + in(BOLD, kind.about));
            getWordWrappedText(74, kind.filter).forEach(line -> lines.add("  " + line));
        }
        lines.add("And invalidate events, all of them: news that the collection was dropped.");
        return lines;
    }

    List<String> page() {
        return switch (view) {
            case 'e' -> last.toJson(JsonWriterSettings.builder().indent(true).build()).lines()
                .flatMap(line -> getWordWrappedText(78, line).stream()).toList();
            case 'f' -> filters();
            case 'c' -> card().stream().dropWhile(line -> !line.startsWith(number + " ")).toList();
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
        String foot = " ", key = waits ? "Enter" : "     ";
        for (Kind kind : Kind.values())
            foot += in(kind.style, kind.title + " " + kind.shown + "/" + kind.written) + "  ";
        if (held) key = "Space";
        foot += (waits && (held || pause) ? in(REVERSE, key) : key) + " e f c ? q"; // it stands
        lines(screen, 0, height - 1, width, 1, List.of(foot));
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

    /** Plays the show in a thread of its own, and meanwhile draws it and reads the keys. */
    void perform(Callable<Void> show) throws Exception {
        Future<Void> playing = Executors.newSingleThreadExecutor().submit(show);
        if (!plain) {
            try (Terminal terminal = new Terminal(); TerminalScreen opened = new TerminalScreen(terminal)) {
                opened.startScreen();
                opened.setCursorPosition(null);
                screen = opened;
                while (!playing.isDone()) {
                    show();
                    KeyStroke key = opened.pollInput();
                    if (key == null || key.getKeyType() == KeyType.EOF) Thread.sleep(50);
                    else pressed(key);
                }
            }
        }
        playing.get();
    }

    synchronized void show() {
        if (screen == null || over || left) return;
        try {
            screen.doResizeIfNecessary();
            draw(screen.newTextGraphics());
            screen.refresh();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
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

    static final int COLUMNS = 100, ROWS = 28, ACROSS = 8, DOWN = 18, MARGIN = 16, SECONDS_EACH = 4;
    final List<String> screens = new ArrayList<>();

    void snap() {
        if (picture == null) return;
        TextImage screen = new BasicTextImage(COLUMNS, ROWS);
        draw(screen.newTextGraphics());
        StringBuilder drawn = new StringBuilder();
        for (int row = 0; row < ROWS; row++) {
            for (int x = 0, end; x < COLUMNS; x = end) {
                TextCharacter style = screen.getCharacterAt(x, row).withCharacter(' ');
                StringBuilder text = new StringBuilder();
                for (end = x; end < COLUMNS; end++) {
                    TextCharacter next = screen.getCharacterAt(end, row);
                    if (!next.withCharacter(' ').equals(style)) break;
                    text.append(next.getCharacterString());
                }
                String place = String.format("x='%d' y='%d'", MARGIN + x * ACROSS, MARGIN + row * DOWN);
                if (style.getBackgroundColor() != TextColor.ANSI.DEFAULT)
                    drawn.append(String.format("<rect %s width='%d' height='%d' fill='%s'/>%n", place,
                        (end - x) * ACROSS, DOWN, color(style.getBackgroundColor())));
                if (!text.toString().isBlank())
                    drawn.append(String.format("<text %s dy='14' fill='%s' font-weight='%s'>%s</text>%n",
                        place, color(style.getForegroundColor()), style.isBold() ? "bold" : "normal",
                        text.toString().stripTrailing().replace("&", "&amp;").replace("<", "&lt;")));
            }
        }
        screens.add(drawn.toString());
    }

    static String color(TextColor color) {
        if (color == TextColor.ANSI.DEFAULT || color == TextColor.ANSI.WHITE) return "#e6edf3";
        return String.format("#%02x%02x%02x", color.getRed(), color.getGreen(), color.getBlue());
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
            g{visibility:hidden;animation:turn %ds step-end infinite}
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
