///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m

import com.mongodb.client.MongoChangeStreamCursor;
import com.mongodb.client.MongoClient;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoCollection;
import com.mongodb.client.model.Updates;
import com.mongodb.client.model.changestream.ChangeStreamDocument;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.bson.Document;

import static com.mongodb.client.model.Filters.eq;

/**
 * Many changes to many change streams: did each stream get each of them, once, and all in the same order?
 *
 * <p>{@code MONGODB_ATLAS_URL=... DATABASE=... jbang load.java STREAMS WRITERS CHANGES}: opens so many streams on the
 * collection {@code load}, lets so many writers make the changes, by turns an insert and an update of what was
 * inserted, and prints what each stream has seen. Exit code 0 if that was everything, 1 if not, 2 wrong usage.
 */
class load {

    /** A stream gives up when nothing has come for so long. */
    static final long PATIENCE_SECONDS = 60;
    /** The last thing written: who has seen it need not wait for more. */
    static final String END = "end";

    public static void main(String... args) throws Exception {
        String url = System.getenv("MONGODB_ATLAS_URL");
        String database = System.getenv("DATABASE");
        if (args.length != 3 || url == null || database == null) {
            System.err.println("usage: MONGODB_ATLAS_URL=... DATABASE=... jbang load.java STREAMS WRITERS CHANGES");
            System.exit(2);
        }
        int streams = Integer.parseInt(args[0]);
        int writers = Integer.parseInt(args[1]);
        int each = Integer.parseInt(args[2]) / writers;
        boolean good;
        try (MongoClient client = MongoClients.create(url)) {
            MongoCollection<Document> collection = client.getDatabase(database).getCollection("load");
            collection.drop();
            List<Reader> readers = new ArrayList<>();
            for (int i = 0; i < streams; i++) readers.add(new Reader(collection));
            List<Writer> writing = new ArrayList<>();
            for (int i = 0; i < writers; i++) writing.add(new Writer(collection, i, each));
            readers.forEach(Thread::start);
            writing.forEach(Thread::start);
            for (Writer writer : writing) writer.join();
            collection.insertOne(new Document("_id", END));
            for (Reader reader : readers) reader.join();
            good = report(readers, writers, each) & writing.stream().allMatch(writer -> writer.done);
            collection.drop();
        }
        System.exit(good ? 0 : 1);
    }

    /** Writes the changes 0, 1, 2 ... of its own, one after the other. */
    static class Writer extends Thread {
        final MongoCollection<Document> collection;
        final int number, changes;
        volatile boolean done;

        Writer(MongoCollection<Document> collection, int number, int changes) {
            this.collection = collection;
            this.number = number;
            this.changes = changes;
        }

        @Override
        public void run() {
            for (int change = 0; change < changes; change++) {
                if (change % 2 == 0) collection.insertOne(new Document("_id", id(change)).append("change", id(change)));
                else collection.updateOne(eq("_id", id(change - 1)), Updates.set("change", id(change)));
            }
            done = true;
        }

        private long id(int change) {
            return (long) number << 32 | change;
        }
    }

    /** Notes each change that its stream brings. */
    static class Reader extends Thread {
        final MongoChangeStreamCursor<ChangeStreamDocument<Document>> cursor;
        final List<Long> seen = new ArrayList<>();
        String end = "the end did not come";

        Reader(MongoCollection<Document> collection) {
            cursor = collection.watch().maxAwaitTime(1, TimeUnit.SECONDS).cursor();
        }

        @Override
        public void run() {
            long lastCame = System.nanoTime();
            try (cursor) {
                while (System.nanoTime() - lastCame < TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS)) {
                    ChangeStreamDocument<Document> event = cursor.tryNext();
                    if (event == null) continue;
                    lastCame = System.nanoTime();
                    if (event.getDocumentKey().get("_id").isString()) {
                        end = "";
                        return;
                    }
                    seen.add(switch (event.getOperationType()) {
                        case INSERT -> event.getFullDocument().getLong("change");
                        case UPDATE -> event.getUpdateDescription().getUpdatedFields().getInt64("change").getValue();
                        default -> -1L;
                    });
                }
            } catch (RuntimeException e) {
                end = e.toString();
            }
        }
    }

    /** What a stream brings must be, for each writer, its changes from the first to the last without a gap. */
    static boolean report(List<Reader> readers, int writers, int each) {
        boolean good = true;
        for (Reader reader : readers) {
            int[] next = new int[writers];
            int repeated = 0, early = 0, unknown = 0;
            for (long change : reader.seen) {
                int writer = (int) (change >> 32), number = (int) change;
                if (writer < 0 || writer >= writers || number >= each) unknown++;
                else if (number < next[writer]) repeated++;
                else {
                    if (number > next[writer]) early++;
                    next[writer] = number + 1;
                }
            }
            long missed = (long) writers * each - reader.seen.stream().distinct().count();
            good &= missed == 0 && repeated == 0 && early == 0 && unknown == 0 && reader.end.isEmpty();
            System.out.println("stream " + (readers.indexOf(reader) + 1) + ": " + reader.seen.size() + " events, "
                    + missed + " missed, " + repeated + " repeated, " + early + " too early, " + unknown + " unknown"
                    + (reader.end.isEmpty() ? "" : ", " + reader.end));
        }
        boolean same = readers.stream().allMatch(reader -> reader.seen.equals(readers.get(0).seen));
        System.out.println("same order in all streams: " + (same ? "yes" : "no"));
        return good && same;
    }
}
