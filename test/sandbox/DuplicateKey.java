import de.bwaldvogel.mongo.backend.*;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.*;

import java.util.List;

/** A duplicate key in a unique index, said as a server says it: with the index's key and the value that is there. */
final class DuplicateKey extends MongoServerError {

    private static final long serialVersionUID = 1L;

    /** What an error of this code has beside the others. */
    final transient Document details;

    DuplicateKey(DuplicateKeyError error, List<IndexKey> keys, Document document) {
        super(11000, "DuplicateKey", error.getMessageWithoutErrorCode());
        Document pattern = new Document();
        Document value = new Document();
        for (IndexKey key : keys) {
            Object part = Utils.getSubdocumentValue(document, key.getKey());
            pattern.put(key.getKey(), key.isAscending() ? 1 : -1);
            value.put(key.getKey(), part instanceof Missing ? null : part);
        }
        details = new Document("keyPattern", pattern).append("keyValue", value);
    }

    /** Runs what may find a duplicate. */
    static void check(List<IndexKey> keys, Document document, Runnable check) {
        try {
            check.run();
        } catch (DuplicateKeyError error) {
            throw new DuplicateKey(error, keys, document);
        }
    }
}
