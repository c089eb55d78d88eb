import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.MongoDatabase;
import de.bwaldvogel.mongo.backend.AbstractMongoBackend;
import de.bwaldvogel.mongo.backend.AbstractSynchronizedMongoDatabase;
import de.bwaldvogel.mongo.backend.CollectionOptions;
import de.bwaldvogel.mongo.backend.Index;
import de.bwaldvogel.mongo.backend.IndexKey;
import de.bwaldvogel.mongo.backend.memory.MemoryCollection;
import de.bwaldvogel.mongo.backend.memory.index.MemoryUniqueIndex;

import java.util.List;
import java.util.Set;

/** Databases in memory, whose collections write each change to the change log. */
final class Storage extends AbstractMongoBackend {

    private final ChangeLog log;

    Storage(ChangeLog log) {
        this.log = log;
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
        protected Index<Integer> openOrCreateUniqueIndex(String collection, String index, List<IndexKey> keys, boolean sparse) {
            return index.equals(IdIndex.NAME) ? new IdIndex(keys) : new MemoryUniqueIndex(index, keys, sparse);
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

    /** The names of the databases that hold a collection. */
    List<String> databaseNames() {
        return listDatabaseNames().stream().filter(name -> !collectionNames(name).isEmpty()).sorted().toList();
    }

    boolean hasDatabase(String name) {
        return listDatabaseNames().contains(name) && !collectionNames(name).isEmpty();
    }

    List<String> collectionNames(String database) {
        MongoCollection<?> names = resolveDatabase(database).resolveCollection("system.namespaces", true);
        return names.queryAllAsStream().map(name -> name.get("name").toString().substring(database.length() + 1))
            .sorted().toList();
    }

    /** The collection, or null where there is none. */
    LoggedCollection collection(String database, String name) {
        return resolveDatabase(database).resolveCollection(name, false) instanceof LoggedCollection logged ? logged : null;
    }
}
