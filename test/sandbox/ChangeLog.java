import de.bwaldvogel.mongo.bson.*;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.lang.ref.*;
import java.time.Instant;
import java.util.*;
import java.util.concurrent.atomic.AtomicReference;

/**
 * The last changes of all databases, in order: what the oplog is to a replica set. Bounded: the oldest change leaves
 * when one too many comes. All streams read the same entries, which nobody changes once they are in. Documents in it
 * are BSON, mostly the very bytes that the collection keeps, so that a million are small.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/core/replica-set-oplog/">Replica set oplog</a>
 */
final class ChangeLog {

    /**
     * What happened.
     *
     * @param type              operation type, as in the event
     * @param collection        null for dropDatabase
     * @param to                of a rename: the new collection's {@code [database, collection]}; else null
     * @param id                of the document that changed
     * @param fullDocument      the document that an insert or a replace wrote, as BSON; else null
     * @param updateDescription of an update, as BSON; else null
     * @param before            the document before the change (pre-image), as BSON, or null where none is kept
     * @param after             the document after it (post-image), likewise
     */
    record Change(String type, String database, String collection, List<String> to, Object id, byte[] fullDocument,
                  byte[] updateDescription, byte[] before, byte[] after) {

        /** A change of a collection or a database as a whole. */
        Change(String type, String database, String collection, List<String> to) {
            this(type, database, collection, to, null, null, null, null, null);
        }

        private boolean ofDocument() {
            return fullDocument != null || updateDescription != null || type.equals("delete");
        }
    }

    /** An event as all streams share it that ask for no images: nobody may change it. */
    static final class Event {

        final Document document;
        private byte[] bytes;

        private Event(Document document) {
            this.document = document;
        }

        synchronized byte[] bytes() {
            if (bytes == null) {
                bytes = Bson.write(document);
            }
            return bytes;
        }
    }

    /**
     * One change in the log.
     *
     * @param time   cluster time, the only one of its kind: seconds in the upper half, a counter in the lower
     * @param shared its event, as long as a stream looks at it
     */
    record Entry(long time, Instant wallTime, Change change, AtomicReference<Reference<Event>> shared) {

        /** The event: streams that keep up with the changes look at the same one. */
        Event event() {
            Reference<Event> known = shared.get();
            Event event = known == null ? null : known.get();
            if (event == null) {
                event = new Event(build());
                shared.set(new WeakReference<>(event));
            }
            return event;
        }

        /** In the order of a server's fields. */
        private Document build() {
            Document event = frame(time, wallTime, ResumeToken.Kind.EVENT, change.type);
            if (change.fullDocument != null) {
                event.put("fullDocument", Bson.read(change.fullDocument));
            }
            event.put("ns", namespace(change.database, change.collection));
            if (change.to != null) {
                event.put("to", namespace(change.to.get(0), change.to.get(1)));
            }
            if (change.ofDocument()) {
                event.put("documentKey", new Document("_id", change.id));
            }
            if (change.updateDescription != null) {
                event.put("updateDescription", Bson.read(change.updateDescription));
            }
            return event;
        }

        private static Document namespace(String database, String collection) {
            Document namespace = new Document("db", database);
            namespace.putIfNotNull("coll", collection);
            return namespace;
        }

        /** The fields that every event has, also an invalidate that follows this change. */
        static Document frame(long time, Instant wallTime, ResumeToken.Kind kind, String type) {
            ResumeToken token = new ResumeToken(time, kind);
            return new Document("_id", token.toDocument()).append("operationType", type)
                .append("clusterTime", token.clusterTime()).append("wallTime", wallTime);
        }
    }

    private final int capacity;
    private final NavigableMap<Long, Entry> entries = new TreeMap<>();
    private long lastTime = now() + 1;
    private long forgottenTime;

    ChangeLog(int capacity) {
        this.capacity = capacity;
    }

    private static long now() {
        return Instant.now().getEpochSecond() << 32;
    }

    /** Adds a change and wakes the streams that wait. */
    synchronized void add(Change change) {
        lastTime = Math.max(lastTime + 1, now() + 1);
        entries.put(lastTime, new Entry(lastTime, Instant.now(), change, new AtomicReference<>()));
        if (entries.size() > capacity) {
            forgottenTime = entries.pollFirstEntry().getKey();
        }
        notifyAll();
    }

    /** The cluster time of the newest change. */
    synchronized long lastTime() {
        return lastTime;
    }

    synchronized BsonTimestamp clusterTime() {
        return new BsonTimestamp(lastTime);
    }

    synchronized Entry at(long time) {
        return entries.get(time);
    }

    /** Whether a change at or after this time may have left the log. */
    synchronized boolean isLost(long time) {
        return forgottenTime > 0 && time < entries.firstKey();
    }

    /** The cluster time of the oldest change there is, or of the newest there was. */
    synchronized long oldestTime() {
        return entries.isEmpty() ? lastTime : entries.firstKey();
    }

    /**
     * At most {@code count} changes after this time.
     *
     * @throws MongoServerError 136 when one of them has left the log: the reader was too slow
     */
    synchronized List<Entry> after(long time, int count) {
        ErrorCodes.require(forgottenTime <= time, 136,
            "CollectionScan died due to position in capped collection being deleted");
        return entries.tailMap(time, false).values().stream().limit(count).toList();
    }

    /** Waits until there is a change after this time, until the time is up, or, as any wait may, less. */
    synchronized void await(long time, long millis) throws InterruptedException {
        if (lastTime <= time) {
            wait(millis);
        }
    }

    /** Lets all that wait look again, such as whether their cursor was killed. */
    synchronized void wake() {
        notifyAll();
    }
}
