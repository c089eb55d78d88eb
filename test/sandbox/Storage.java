import de.bwaldvogel.mongo.*;
import de.bwaldvogel.mongo.backend.*;
import de.bwaldvogel.mongo.backend.memory.MemoryCollection;
import de.bwaldvogel.mongo.backend.memory.index.MemoryUniqueIndex;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;
import de.bwaldvogel.mongo.oplog.Oplog;
import io.netty.channel.embedded.EmbeddedChannel;

import java.util.*;

/** Databases in memory, whose collections write each change to the change log. */
final class Storage extends AbstractMongoBackend {

    private final ChangeLog log;
    /** The library keeps books by channel; nothing is sent over this one. */
    private final EmbeddedChannel channel = new EmbeddedChannel();

    Storage(ChangeLog log) {
        this.log = log;
    }

    /** The library's reply to a command. */
    Document command(String database, String name, Document command) {
        return handleCommand(channel, database, name, command);
    }

    /** Closes a cursor of the library, and says whether there was one. */
    boolean closeCursor(long id) {
        return getCursorRegistry().remove(id);
    }

    @Override
    public MongoDatabase openOrCreateDatabase(String name) {
        return new Database(name);
    }

    private final class Database extends AbstractSynchronizedMongoDatabase<Integer> {

        Database(String name) {
            super(name, getCursorRegistry());
            initializeNamespacesAndIndexes();
        }

        @Override
        protected MongoCollection<Integer> openOrCreateCollection(String collection, CollectionOptions options) {
            // The library keeps its own books in system.namespaces and system.indexes.
            return collection.startsWith("system.") || Set.of("admin", "config", "local").contains(getDatabaseName())
                ? new MemoryCollection(this, collection, options, cursorRegistry)
                : new LoggedCollection(this, collection, options, cursorRegistry, log);
        }

        @Override
        protected Index<Integer> openOrCreateUniqueIndex(String collection, String index, List<IndexKey> keys,
            boolean sparse) {
            return index.equals(IdIndex.NAME) ? new IdIndex(keys) : new MemoryUniqueIndex(index, keys, sparse) {
                @Override
                public void checkAdd(Document document, MongoCollection<Integer> in) {
                    DuplicateKey.check(keys, document, () -> super.checkAdd(document, in));
                }

                @Override
                public void checkUpdate(Document before, Document after, MongoCollection<Integer> in) {
                    DuplicateKey.check(keys, after, () -> super.checkUpdate(before, after, in));
                }
            };
        }

        /** With the indexes that it has; the library goes by a list of all collections'. */
        @Override
        public void dropCollection(String name, Oplog oplog) {
            MongoCollection<Integer> collection = resolveCollection(name, true);
            indexes.get().deleteDocuments(new Document("ns", collection.getFullName()), 0);
            collection.getIndexes().clear();
            super.dropCollection(name, oplog);
        }

        @Override
        protected long getStorageSize() {
            return 0;
        }

        @Override
        protected long getFileSize() {
            return 0;
        }
    }

    /** Drops indexes of the collection: by name, by a list of names, by key, or all with {@code "*"}. */
    void dropIndexes(LoggedCollection collection, Object which) {
        MongoCollection<?> all = collection.getDatabase().resolveCollection("system.indexes", true);
        List<?> wanted = which instanceof List<?> list ? list : List.of(which);
        List<Document> found = all.queryAllAsStream().filter(index -> index.get("ns").equals(collection.getFullName()))
            .filter(index -> which.equals("*") ? !index.get("name").equals(IdIndex.NAME)
                : wanted.contains(index.get("name")) || wanted.contains(index.get("key"))).toList();
        ErrorCodes.require(found.stream().noneMatch(index -> index.get("name").equals(IdIndex.NAME)), 72,
            "cannot drop _id index");
        ErrorCodes.require(found.size() >= wanted.size() || which.equals("*"), 27,
            "index not found with name or key " + which);
        for (Document index : found) {
            collection.dropIndex((String) index.get("name"));
            all.deleteDocuments(new Document("ns", index.get("ns")).append("name", index.get("name")), 1);
        }
    }

    /** The names of the databases that hold a collection. */
    List<String> databaseNames() {
        return listDatabaseNames().stream().filter(name -> !collectionNames(name).isEmpty()).sorted().toList();
    }

    List<String> collectionNames(String database) {
        MongoCollection<?> names = resolveDatabase(database).resolveCollection("system.namespaces", true);
        return names.queryAllAsStream().map(name -> name.get("name").toString().substring(database.length() + 1))
            .sorted().toList();
    }

    /** The collection, or null where there is none. */
    LoggedCollection collection(String database, String name) {
        MongoCollection<?> found = resolveDatabase(database).resolveCollection(name, false);
        return found instanceof LoggedCollection logged ? logged : null;
    }
}
