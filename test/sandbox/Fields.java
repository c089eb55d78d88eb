import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.util.*;

/**
 * The fields of commands: those that are done, or that change nothing here; those that are not offered, and refused
 * where they ask for something. Any other is refused as a server refuses what it does not know.
 */
final class Fields {

    private static final Set<String> OF_ANY = words("$db $clusterTime $readPreference lsid txnNumber stmtId autocommit "
        + "startTransaction comment maxTimeMS maxTimeMSOpOnly readConcern writeConcern apiVersion apiStrict "
        + "apiDeprecationErrors");
    private static final Map<String, Set<String>> DONE = Map.ofEntries(
        entry("find", "filter projection sort skip limit batchSize singleBatch hint noCursorTimeout "
            + "allowPartialResults allowDiskUse"),
        entry("$changeStream", "resumeAfter startAfter startAtOperationTime fullDocument fullDocumentBeforeChange "
            + "allChangesForCluster"),
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
        entry("failGetMoreAfterCursorCheckout", "errorCode closeConnection"), entry("onPrimaryTransactionalWrite", ""));
    private static final Set<String> NOT_OFFERED = words(
        "showExpandedEvents collation let min max returnKey showRecordId tailable awaitData explain viewOn pipeline "
        + "capped size timeseries expireAfterSeconds clusteredIndex storageEngine validator validationLevel "
        + "validationAction encryptedFields index partialFilterExpression hidden wildcardProjection weights");

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
        boolean isCommand = fields.containsKey(command);
        fields.forEach((name, value) -> {
            if (isCommand && (name.equals(command) || OF_ANY.contains(name)) || done.contains(name)) {
                return;
            }
            ErrorCodes.require(NOT_OFFERED.contains(name), 40415,
                "BSON field '" + command + "." + name + "' is an unknown field.");
            if (asksForSomething(name, value)) {
                throw notOffered(name + " of " + command);
            }
        });
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
