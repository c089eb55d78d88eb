import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.util.*;

/**
 * The fields of commands: those that are done, or that change nothing here; those that are not offered, and refused
 * where they ask for something. Any other is refused as a server refuses what it does not know.
 */
final class Fields {

    private static final Set<String> OF_ANY = Set.of("$db", "$clusterTime", "$readPreference", "lsid", "txnNumber",
        "stmtId", "autocommit", "startTransaction", "comment", "maxTimeMS", "maxTimeMSOpOnly", "readConcern",
        "writeConcern",
        "apiVersion", "apiStrict", "apiDeprecationErrors");
    private static final Map<String, Set<String>> DONE = Map.ofEntries(
        entry("find", "filter projection sort skip limit batchSize singleBatch hint noCursorTimeout "
            + "allowPartialResults allowDiskUse"),
        entry("getMore", "collection batchSize"), entry("killCursors", "cursors"),
        entry("aggregate", "pipeline cursor allowDiskUse hint bypassDocumentValidation"),
        entry("count", "query limit skip hint"), entry("distinct", "key query"),
        entry("insert", "documents ordered bypassDocumentValidation"),
        entry("update", "updates ordered bypassDocumentValidation"),
        entry("update.updates", "q u multi upsert arrayFilters hint"),
        entry("delete", "deletes ordered"), entry("delete.deletes", "q limit hint"),
        entry("findAndModify", "query sort remove update new fields upsert arrayFilters hint bypassDocumentValidation"),
        entry("create", "changeStreamPreAndPostImages"), entry("collMod", "changeStreamPreAndPostImages"),
        entry("drop", ""), entry("dropDatabase", ""), entry("renameCollection", "to dropTarget"),
        entry("createIndexes", "indexes commitQuorum"),
        entry("createIndexes.indexes", "v key name ns unique sparse background"),
        entry("dropIndexes", "index"), entry("listIndexes", "cursor"), entry("configureFailPoint", "mode data"),
        entry("failCommand", "failCommands errorCode errorLabels closeConnection blockConnection blockTimeMS appName "
            + "writeConcernError"),
        entry("failGetMoreAfterCursorCheckout", "errorCode closeConnection"),
        entry("onPrimaryTransactionalWrite", "closeConnection failBeforeCommitExceptionCode"));
    private static final Set<String> NOT_OFFERED = words(
        "collation let min max returnKey showRecordId tailable awaitData oplogReplay readOnce explain c "
        + "viewOn pipeline capped size autoIndexId timeseries expireAfterSeconds idIndex clusteredIndex "
        + "storageEngine validator validationLevel validationAction indexOptionDefaults encryptedFields "
        + "index cappedSize cappedMax partialFilterExpression hidden wildcardProjection weights "
        + "default_language language_override textIndexVersion 2dsphereIndexVersion bits prepareUnique");

    private Fields() {
    }

    private static Map.Entry<String, Set<String>> entry(String command, String fields) {
        return Map.entry(command, words(fields));
    }

    private static Set<String> words(String text) {
        return Set.copyOf(List.of(text.split(" ")));
    }

    /**
     * Refuses what is not done.
     *
     * @throws MongoServerError 40415 a field that no server knows, 238 one that is not offered here
     */
    static void check(String command, Document fields) {
        Set<String> done = DONE.get(command);
        if (done == null) {
            return;
        }
        for (var field : fields.entrySet()) {
            String name = field.getKey();
            if (name.equals(command) || OF_ANY.contains(name) || done.contains(name)) {
                continue;
            }
            if (!NOT_OFFERED.contains(name)) {
                throw ErrorCodes.error(40415, "BSON field '" + command + "." + name + "' is an unknown field.");
            }
            if (asksForSomething(name, field.getValue())) {
                throw notOffered(name + " of " + command);
            }
        }
    }

    private static boolean asksForSomething(String name, Object value) {
        return value != null && !Boolean.FALSE.equals(value) && !(value instanceof Document empty && empty.isEmpty())
            && !(value instanceof Collection<?> none && none.isEmpty())
            && !(name.equals("collation") && value instanceof Document simple && "simple".equals(simple.get("locale")));
    }

    static MongoServerError notOffered(String what) {
        return ErrorCodes.error(238, "this sandbox does not offer " + what);
    }
}
