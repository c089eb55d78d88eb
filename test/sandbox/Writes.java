import de.bwaldvogel.mongo.backend.Utils;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.*;
import de.bwaldvogel.mongo.oplog.NoopOplog;

import java.io.IOException;
import java.util.*;

/**
 * The commands that change documents, collections and databases.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/command/nav-crud/">Query and Write Operation Commands</a>
 */
final class Writes {

    private static final Set<String> UPDATE_OPERATORS = Set.of("$currentDate", "$inc", "$min", "$max", "$mul",
        "$rename",
        "$set", "$setOnInsert", "$unset", "$addToSet", "$pop", "$pull", "$push", "$pullAll");
    private static final int REMEMBERED_SESSIONS = 1000;

    private record Retryable(Object number, Document reply) {
    }

    private final ChangeLog log;
    private final Storage storage;
    /** The last retryable write of each session: one that is sent again must not be done again. */
    private final Map<Object, Retryable> sessions = new LinkedHashMap<>() {
        @Override
        protected boolean removeEldestEntry(Map.Entry<Object, Retryable> eldest) {
            return size() > REMEMBERED_SESSIONS;
        }
    };

    private final FailPoint failWrite;

    Writes(ChangeLog log, Storage storage, FailPoint failWrite) {
        this.log = log;
        this.storage = storage;
        this.failWrite = failWrite;
    }

    /**
     * The reply, or null when the command is none of these.
     *
     * @throws IOException to close the connection instead of replying, by a fail point
     */
    Document run(Connection connection, String database, String name, Document command)
        throws IOException, InterruptedException {
        Object session = command.get("txnNumber") == null ? null : command.get("lsid");
        Retryable last = sessions.get(session);
        if (session != null && last != null && last.number.equals(command.get("txnNumber"))) {
            return new Document(last.reply);
        }
        Document fault = session == null ? null : failWrite.enter(data -> true);
        boolean closes = fault != null && !Boolean.FALSE.equals(fault.get("closeConnection"));
        if (fault != null && fault.get("failBeforeCommitExceptionCode") instanceof Number code) {
            FailPoint.raise(new Document("closeConnection", closes).append("errorCode", code));
        }
        Document reply = switch (name) {
            case "insert" -> insert(database, target(database, command, name), command);
            case "update" -> update(connection, database, target(database, command, name), command);
            case "delete" -> delete(database, target(database, command, name), command);
            case "findAndModify", "findandmodify" ->
                findAndModify(connection, database, target(database, command, name), command);
            case "createIndexes" -> createIndexes(connection, database, target(database, command, name), command);
            case "dropIndexes" -> dropIndexes(database, command);
            case "create" -> create(database, command);
            case "collMod" -> collMod(database, command);
            case "drop" -> drop(connection, database, command);
            case "dropDatabase" -> dropDatabase(database);
            case "renameCollection" -> rename(connection, command);
            default -> null;
        };
        if (session != null && reply != null) {
            sessions.put(session, new Retryable(command.get("txnNumber"), new Document(reply)));
        }
        FailPoint.raise(closes ? new Document("closeConnection", true) : null);
        return reply;
    }

    private static String target(String database, Document command, String name) {
        String collection = (String) command.get(name);
        if (collection.isEmpty() || collection.contains("$") || collection.indexOf('\0') >= 0) {
            throw ErrorCodes.error(73, "Invalid namespace specified '" + database + "." + collection + "'");
        }
        if (collection.startsWith("system.")) {
            throw ErrorCodes.error(73, "cannot write to '" + database + "." + collection + "'");
        }
        return collection;
    }

    private interface Write {
        void run(int index);
    }

    /** Runs each write of a command; what fails is told by its index, and ends an ordered command. */
    private Document each(Document command, int count, Document reply, Write write) {
        boolean ordered = !Boolean.FALSE.equals(command.get("ordered"));
        List<Document> errors = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            try {
                write.run(i);
            } catch (MongoServerException error) {
                int code = error instanceof MongoServerError numbered ? numbered.getCode() : 9;
                Document failed = new Document("index", i).append("code", code);
                if (error instanceof DuplicateKey duplicate) {
                    failed.append("keyPattern", duplicate.pattern).append("keyValue", duplicate.value);
                }
                errors.add(failed.append("errmsg", error.getMessageWithoutErrorCode()));
                if (ordered) {
                    break;
                }
            }
        }
        if (!errors.isEmpty()) {
            reply.put("writeErrors", errors);
        }
        return reply.append("ok", 1.0);
    }

    private Document insert(String database, String collection, Document command) {
        List<?> documents = (List<?>) command.get("documents");
        LoggedCollection target = collectionOrNew(database, collection);
        int[] n = {0};
        Document reply = each(command, documents.size(), new Document(), i -> {
            if (documents.get(i) instanceof Bson.Sent sent) {
                target.insert(sent.document(), sent.bytes());
            } else {
                target.insert((Document) documents.get(i), null);
            }
            n[0]++;
        });
        return reply.append("n", n[0]);
    }

    private LoggedCollection collectionOrNew(String database, String name) {
        LoggedCollection collection = storage.collection(database, name);
        if (collection == null) {
            storage.resolveDatabase(database).createCollectionOrThrowIfExists(name);
            collection = storage.collection(database, name);
        }
        if (collection == null) {
            throw ErrorCodes.error(73, "cannot write to the internal database " + database);
        }
        return collection;
    }

    @SuppressWarnings("unchecked")
    private Document update(Connection connection, String database, String collection, Document command) {
        List<Document> updates = (List<Document>) command.get("updates");
        updates.forEach(update -> Fields.check("update.updates", update));
        List<Document> upserted = new ArrayList<>();
        int[] n = {0, 0};
        Document reply = each(command, updates.size(), new Document(), i -> {
            Document result = updateOne(connection, database, collection, updates.get(i));
            n[0] += (Integer) result.get("n");
            n[1] += (Integer) result.get("nModified");
            if (result.get("upserted") instanceof Iterable<?> ids) {
                ids.forEach(id -> upserted.add(new Document("index", i).append("_id", ((Document) id).get("_id"))));
            }
        });
        reply.append("n", n[0]).append("nModified", n[1]);
        if (!upserted.isEmpty()) {
            reply.put("upserted", upserted);
        }
        return reply;
    }

    /** One update, in the form of an element of {@code updates}. */
    private Document updateOne(Connection connection, String database, String name, Document update) {
        validate(update.get("u"));
        Query.validate((Document) update.get("q"));
        if (storage.collection(database, name) == null && !Boolean.TRUE.equals(update.get("upsert"))) {
            return new Document("n", 0).append("nModified", 0);
        }
        LoggedCollection collection = collectionOrNew(database, name);
        Document result = storage.handleCommand(connection.channel, database, "update",
            new Document("update", name).append("updates", List.of(update)));
        if (result.containsKey("writeErrors")) {
            throw collection.failure;
        }
        return result;
    }

    private static void validate(Object update) {
        if (!(update instanceof Document change)) {
            throw ErrorCodes.error(9, "this sandbox offers no updates with an aggregation pipeline");
        }
        if (UpdateDescription.isReplacement(change)) {
            return;
        }
        for (Map.Entry<String, Object> operator : change.entrySet()) {
            if (!UPDATE_OPERATORS.contains(operator.getKey())) {
                throw ErrorCodes.error(9, "Unknown modifier: " + operator.getKey()
                    + ". Expected a valid update modifier or pipeline-style update specified as an array");
            }
            if (!(operator.getValue() instanceof Document)) {
                throw ErrorCodes.error(9,
                    "Modifiers operate on fields but we found another type for " + operator.getKey());
            }
        }
    }

    @SuppressWarnings("unchecked")
    private Document delete(String database, String name, Document command) {
        List<Document> deletes = (List<Document>) command.get("deletes");
        deletes.forEach(delete -> Fields.check("delete.deletes", delete));
        LoggedCollection collection = storage.collection(database, name);
        int[] n = {0};
        Document reply = each(command, deletes.size(), new Document(), i -> {
            Document query = (Document) deletes.get(i).get("q");
            Query.validate(query);
            int limit = ((Number) deletes.get(i).get("limit")).intValue();
            n[0] += collection == null ? 0 : collection.deleteDocuments(query, limit, NoopOplog.get());
        });
        return reply.append("n", n[0]);
    }

    private Document findAndModify(Connection connection, String database, String name, Document command) {
        Document query = (Document) command.getOrDefault("query", new Document());
        Query.validate(query);
        Document fields = (Document) command.getOrDefault("fields", new Document());
        Projection projection = fields.isEmpty() ? null : new Projection(fields, false);
        LoggedCollection collection = storage.collection(database, name);
        Document found = collection == null ? null
            : collection.find(query, (Document) command.get("sort"), 1).stream().findFirst().orElse(null);
        Document value = found;
        Document last = new Document("n", found == null ? 0 : 1);
        if (Boolean.TRUE.equals(command.get("remove"))) {
            if (found != null) {
                collection.deleteDocuments(new Document("_id", found.get("_id")), 1, NoopOplog.get());
            }
        } else {
            Document one = command.clone().append("u", command.get("update")).append("q", found == null ? query
                : new Document("$and", List.of(new Document("_id", found.get("_id")), query)));
            Document result = updateOne(connection, database, name, one);
            last.append("updatedExisting", found != null);
            Object id = found == null ? null : found.get("_id");
            if (result.get("upserted") instanceof List<?> ids) {
                id = ((Document) ids.get(0)).get("_id");
                last.append("n", 1).append("upserted", id);
            }
            value = Utils.isTrue(command.get("new")) && (Integer) last.get("n") > 0
                ? storage.collection(database, name).get(id) : found;
        }
        return new Document("lastErrorObject", last)
            .append("value", value == null || projection == null ? value : projection.apply(value)).append("ok", 1.0);
    }

    @SuppressWarnings("unchecked")
    private Document createIndexes(Connection connection, String database, String name, Document command) {
        for (Document index : (List<Document>) command.get("indexes")) {
            Fields.check("createIndexes.indexes", index);
            if (!List.of(1, -1).containsAll(((Document) index.get("key")).values().stream()
                .map(way -> way instanceof Number number ? number.intValue() : way).toList())) {
                throw Fields.notOffered("an index that is not ascending or descending");
            }
        }
        boolean created = storage.collection(database, name) == null;
        LoggedCollection collection = collectionOrNew(database, name);
        int before = collection.getNumIndexes();
        storage.handleCommand(connection.channel, database, "createIndexes", command);
        return new Document("numIndexesBefore", before).append("numIndexesAfter", collection.getNumIndexes())
            .append("createdCollectionAutomatically", created).append("ok", 1.0);
    }

    private Document dropIndexes(String database, Document command) {
        LoggedCollection collection = existing(database, (String) command.get("dropIndexes"), "ns not found");
        int before = collection.getNumIndexes();
        storage.dropIndexes(collection, command.get("index"));
        return new Document("nIndexesWas", before).append("ok", 1.0);
    }

    private LoggedCollection existing(String database, String name, String otherwise) {
        LoggedCollection collection = storage.collection(database, name);
        if (collection == null) {
            throw ErrorCodes.error(26, otherwise);
        }
        return collection;
    }

    private Document create(String database, Document command) {
        String name = (String) command.get("create");
        if (name.isEmpty() || name.contains("$") || name.startsWith("system.")) {
            throw ErrorCodes.error(73, "invalid collection name");
        }
        if (storage.collection(database, name) != null) {
            throw ErrorCodes.error(48, "Collection already exists. NS: " + database + "." + name);
        }
        collectionOrNew(database, name).images = images(command, false);
        return Admin.ok();
    }

    private Document collMod(String database, Document command) {
        LoggedCollection collection = existing(database, (String) command.get("collMod"), "ns does not exist");
        collection.images = images(command, collection.images);
        return Admin.ok();
    }

    private static boolean images(Document command, boolean unset) {
        Object option = command.get("changeStreamPreAndPostImages");
        if (option == null) {
            return unset;
        }
        if (!(option instanceof Document images && images.get("enabled") instanceof Boolean enabled)) {
            throw ErrorCodes.error(14, "changeStreamPreAndPostImages takes {enabled: true|false}");
        }
        return enabled;
    }

    private Document drop(Connection connection, String database, Document command) {
        String name = (String) command.get("drop");
        existing(database, name, "ns not found");
        Document reply = storage.handleCommand(connection.channel, database, "drop", new Document("drop", name));
        log.add(new ChangeLog.Change("drop", database, name, null));
        return reply;
    }

    private Document dropDatabase(String database) {
        if (!storage.hasDatabase(database)) {
            return Admin.ok();
        }
        for (String name : storage.collectionNames(database)) {
            log.add(new ChangeLog.Change("drop", database, name, null));
        }
        log.add(new ChangeLog.Change("dropDatabase", database, null, null));
        storage.dropDatabase(database);
        return new Document("dropped", database).append("ok", 1.0);
    }

    private Document rename(Connection connection, Document command) {
        String[] from = ((String) command.get("renameCollection")).split("\\.", 2);
        String[] to = ((String) command.get("to")).split("\\.", 2);
        if (from.length < 2 || to.length < 2 || to[1].isEmpty() || to[1].contains("$") || to[1].startsWith("system.")) {
            throw ErrorCodes.error(73, "Invalid namespace specified '" + command.get("to") + "'");
        }
        existing(from[0], from[1], "Source collection " + from[0] + "." + from[1] + " does not exist");
        if (!from[0].equals(to[0])) {
            throw Fields.notOffered("a rename to another database");
        }
        if (storage.collection(to[0], to[1]) != null && !Boolean.TRUE.equals(command.get("dropTarget"))) {
            throw ErrorCodes.error(48, "target namespace exists");
        }
        storage.handleCommand(connection.channel, "admin", "renameCollection", command);
        log.add(new ChangeLog.Change("rename", from[0], from[1], List.of(to)));
        return Admin.ok();
    }
}
