import de.bwaldvogel.mongo.backend.Utils;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.*;
import de.bwaldvogel.mongo.oplog.NoopOplog;

import java.io.IOException;
import java.util.*;
import java.util.function.IntConsumer;

/**
 * The commands that change documents, collections and databases.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/command/nav-crud/">Query and Write Operation Commands</a>
 */
final class Writes {

    private static final Set<String> UPDATE_OPERATORS = Set.of("$currentDate", "$inc", "$min", "$max", "$mul",
        "$rename", "$set", "$setOnInsert", "$unset", "$addToSet", "$pop", "$pull", "$push", "$pullAll");

    private record Retryable(Object number, Document reply) {
    }

    private final ChangeLog log;
    private final Storage storage;
    /** The last retryable write of each session: one that is sent again must not be done again. */
    private final Map<Object, Retryable> sessions = new HashMap<>();
    private final FailPoint failWrite;
    private final boolean offersImages;

    Writes(ChangeLog log, Storage storage, FailPoint failWrite, boolean offersImages) {
        this.log = log;
        this.storage = storage;
        this.failWrite = failWrite;
        this.offersImages = offersImages;
    }

    /**
     * The reply, or null when the command is none of these.
     *
     * @throws IOException to close the connection instead of replying, by a fail point
     */
    Document run(String database, String name, Document command) throws IOException, InterruptedException {
        Object session = command.get("txnNumber") == null ? null : command.get("lsid");
        Retryable last = sessions.get(session);
        if (session != null && last != null && last.number.equals(command.get("txnNumber"))) {
            return new Document(last.reply);
        }
        Document fault = null;
        for (int left = session == null ? 0 : statements(command); fault == null && left > 0; left--) {
            fault = failWrite.enter(data -> true);
        }
        Document reply = switch (name) {
            case "insert" -> insert(database, target(database, command.get(name)), command);
            case "update" -> update(database, target(database, command.get(name)), command);
            case "delete" -> delete(database, target(database, command.get(name)), command);
            case "findAndModify" -> findAndModify(database, target(database, command.get(name)), command);
            case "createIndexes" -> createIndexes(database, target(database, command.get(name)), command);
            case "dropIndexes" -> dropIndexes(database, command);
            case "create" -> create(database, command);
            case "collMod" -> collMod(database, command);
            case "drop" -> drop(database, command);
            case "dropDatabase" -> dropDatabase(database);
            case "renameCollection" -> rename(command);
            default -> null;
        };
        if (session != null && reply != null) {
            sessions.put(session, new Retryable(command.get("txnNumber"), new Document(reply)));
        }
        FailPoint.raise(fault == null ? null : new Document("closeConnection", true));
        return reply;
    }

    /** How often a server commits for the command: for each update and each delete, for documents together. */
    private static int statements(Document command) {
        return command.getOrDefault("updates", command.get("deletes")) instanceof List<?> each ? each.size() : 1;
    }

    private static String target(String database, Object name) {
        String collection = (String) name;
        boolean valid = !collection.isEmpty() && !collection.contains("$") && !collection.contains("\0");
        ErrorCodes.require(valid, 73, "Invalid namespace specified '" + database + "." + collection + "'");
        ErrorCodes.require(!collection.startsWith("system."), 73,
            "Invalid system namespace: " + database + "." + collection);
        return collection;
    }

    /** Runs each write of a command; what fails is told by its index, and ends an ordered command. */
    private Document each(Document command, int count, IntConsumer write) {
        boolean ordered = !Boolean.FALSE.equals(command.get("ordered"));
        List<Document> errors = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            try {
                write.accept(i);
            } catch (MongoServerException error) {
                errors.add(new Document("index", i).appendAll(ErrorCodes.describe(error)));
                if (ordered) {
                    break;
                }
            }
        }
        Document reply = new Document();
        reply.putIfNotNull("writeErrors", errors.isEmpty() ? null : errors);
        return reply.append("ok", 1.0);
    }

    private Document insert(String database, String collection, Document command) {
        List<?> documents = (List<?>) command.get("documents");
        LoggedCollection target = collectionOrNew(database, collection);
        int[] n = {0};
        Document reply = each(command, documents.size(), i -> {
            Object document = documents.get(i);
            target.insert(document instanceof Bson.Sent sent ? sent : new Bson.Sent((Document) document, null));
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
        ErrorCodes.require(collection != null, 73, "cannot write to the internal database " + database);
        return collection;
    }

    @SuppressWarnings("unchecked")
    private Document update(String database, String collection, Document command) {
        List<Document> updates = (List<Document>) command.get("updates");
        updates.forEach(update -> Fields.check("update.updates", update));
        List<Document> upserted = new ArrayList<>();
        int[] n = {0, 0};
        Document reply = each(command, updates.size(), i -> {
            Document result = updateOne(database, collection, updates.get(i));
            n[0] += (Integer) result.get("n");
            n[1] += (Integer) result.get("nModified");
            if (result.get("upserted") instanceof Iterable<?> ids) {
                ids.forEach(id -> upserted.add(new Document("index", i).append("_id", ((Document) id).get("_id"))));
            }
        });
        reply.append("n", n[0]).append("nModified", n[1]);
        reply.putIfNotNull("upserted", upserted.isEmpty() ? null : upserted);
        return reply;
    }

    /** One update, in the form of an element of {@code updates}. */
    private Document updateOne(String database, String name, Document update) {
        validate(update.get("u"));
        Query.validate((Document) update.get("q"));
        if (storage.collection(database, name) == null && !Boolean.TRUE.equals(update.get("upsert"))) {
            return new Document("n", 0).append("nModified", 0);
        }
        LoggedCollection collection = collectionOrNew(database, name);
        Document result = storage.command(database, "update",
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
        boolean replaces = UpdateDescription.isReplacement(change);
        change.forEach((operator, fields) -> {
            ErrorCodes.require(replaces || UPDATE_OPERATORS.contains(operator), 9, "Unknown modifier: " + operator
                + ". Expected a valid update modifier or pipeline-style update specified as an array");
            ErrorCodes.require(replaces || fields instanceof Document, 9,
                "Modifiers operate on fields but we found another type for " + operator);
        });
    }

    @SuppressWarnings("unchecked")
    private Document delete(String database, String name, Document command) {
        List<Document> deletes = (List<Document>) command.get("deletes");
        deletes.forEach(delete -> Fields.check("delete.deletes", delete));
        LoggedCollection collection = storage.collection(database, name);
        int[] n = {0};
        Document reply = each(command, deletes.size(), i -> {
            Document query = (Document) deletes.get(i).get("q");
            Query.validate(query);
            int limit = ((Number) deletes.get(i).get("limit")).intValue();
            n[0] += collection == null ? 0 : collection.deleteDocuments(query, limit, NoopOplog.get());
        });
        return reply.append("n", n[0]);
    }

    private Document findAndModify(String database, String name, Document command) {
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
            Document result = updateOne(database, name, one);
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
    private Document createIndexes(String database, String name, Document command) {
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
        storage.command(database, "createIndexes", command);
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
        ErrorCodes.require(collection != null, 26, otherwise);
        return collection;
    }

    private Document create(String database, Document command) {
        String name = (String) command.get("create");
        boolean images = images(command, false); // first, as a server parses a command before it looks at it
        ErrorCodes.require(!name.contains("$"), 73, "invalid collection name");
        target(database, name);
        ErrorCodes.require(storage.collection(database, name) == null, 48,
            "Collection already exists. NS: " + database + "." + name);
        collectionOrNew(database, name).images = images;
        return Admin.ok();
    }

    private Document collMod(String database, Document command) {
        LoggedCollection collection = existing(database, (String) command.get("collMod"), "ns does not exist");
        collection.images = images(command, collection.images);
        return Admin.ok();
    }

    private boolean images(Document command, boolean unset) {
        Object option = command.get("changeStreamPreAndPostImages");
        if (option == null) {
            return unset;
        }
        ErrorCodes.require(offersImages, 40415, "BSON field '" + command.keySet().iterator().next()
            + ".changeStreamPreAndPostImages' is an unknown field.");
        if (!(option instanceof Document images && images.get("enabled") instanceof Boolean enabled)) {
            throw ErrorCodes.error(14, "changeStreamPreAndPostImages takes {enabled: true|false}");
        }
        return enabled;
    }

    private Document drop(String database, Document command) {
        String name = (String) command.get("drop");
        existing(database, name, "ns not found");
        Document reply = storage.command(database, "drop", new Document("drop", name));
        log.add(new ChangeLog.Change("drop", database, name, null));
        return reply;
    }

    private Document dropDatabase(String database) {
        if (!storage.databaseNames().contains(database)) {
            return Admin.ok();
        }
        for (String name : storage.collectionNames(database)) {
            log.add(new ChangeLog.Change("drop", database, name, null));
        }
        log.add(new ChangeLog.Change("dropDatabase", database, null, null));
        storage.dropDatabase(database);
        return new Document("dropped", database).append("ok", 1.0);
    }

    private Document rename(Document command) {
        String[] from = ((String) command.get("renameCollection")).split("\\.", 2);
        String[] to = ((String) command.get("to")).split("\\.", 2);
        ErrorCodes.require(from.length == 2 && to.length == 2, 73, "Invalid namespace specified");
        target(to[0], to[1]);
        existing(from[0], from[1], "Source collection " + from[0] + "." + from[1] + " does not exist");
        if (!from[0].equals(to[0])) {
            throw Fields.notOffered("a rename to another database");
        }
        ErrorCodes.require(storage.collection(to[0], to[1]) == null || Boolean.TRUE.equals(command.get("dropTarget")),
            48, "target namespace exists");
        storage.command("admin", "renameCollection", command);
        log.add(new ChangeLog.Change("rename", from[0], from[1], List.of(to)));
        return Admin.ok();
    }
}
