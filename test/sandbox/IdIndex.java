import de.bwaldvogel.mongo.MongoCollection;
import de.bwaldvogel.mongo.backend.*;
import de.bwaldvogel.mongo.bson.*;
import de.bwaldvogel.mongo.exception.DuplicateKeyError;

import java.util.*;

/**
 * The index on {@code _id}, in order: where each document is. The library's own is without order, and computes the keys
 * of an index on any fields. No update changes an {@code _id}, and the collection looks here itself: the rest is empty.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/indexes/#default-index">Default Index</a>
 */
final class IdIndex extends EmptyIndex<Integer> {

    static final String NAME = "_id_";

    private static final Comparator<Object> ORDER = ValueComparator.ascWithoutListHandling();

    /** Nearly all are ObjectIds, whose type the library takes longer to look up than to store a document. */
    final NavigableMap<Object, Integer> positions = new TreeMap<>((one, other) ->
        one instanceof ObjectId id && other instanceof ObjectId another ? id.compareTo(another)
            : ORDER.compare(one, other));

    IdIndex(List<IndexKey> keys) {
        super(NAME, keys);
    }

    @Override
    public Integer getPosition(Document document) {
        return positions.get(document.get("_id"));
    }

    @Override
    public void checkAdd(Document document, MongoCollection<Integer> collection) {
        if (getPosition(document) != null) {
            KeyValue key = new KeyValue(document.get("_id"));
            throw new DuplicateKey(new DuplicateKeyError(this, collection, getKeys(), key), getKeys(), document);
        }
    }

    @Override
    public void add(Document document, Integer position, MongoCollection<Integer> collection) {
        positions.put(document.get("_id"), position);
    }

    @Override
    public Integer remove(Document document) {
        return positions.remove(document.get("_id"));
    }
}
