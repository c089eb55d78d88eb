import de.bwaldvogel.mongo.MongoDatabase;
import de.bwaldvogel.mongo.backend.*;
import de.bwaldvogel.mongo.bson.*;
import de.bwaldvogel.mongo.exception.*;
import de.bwaldvogel.mongo.oplog.Oplog;

import java.util.*;
import java.util.stream.Stream;

/**
 * A collection in memory that logs what happens to it, finds by {@code _id} without a scan, and matches by
 * {@link Query}. It keeps its documents as BSON: a million are small, and nobody changes one by changing what was read.
 */
final class LoggedCollection extends AbstractSynchronizedMongoCollection<Integer> {

    private final ChangeLog log;
    private final NavigableMap<Integer, byte[]> documents = new TreeMap<>();
    private IdIndex ids;
    private Document update = new Document();
    private byte[] sent;
    /** Fields of the document that is updated, whose names the library would refuse, with a dot or a dollar sign. */
    private final Document hidden = new Document();
    /** What an upsert writes beside what the library takes from its selector. */
    private final Document upserted = new Document();

    /** Whether events keep the document before and after a change: {@code changeStreamPreAndPostImages}. */
    boolean images;
    /** Why the last update failed that did, of which the library tells only code and message. */
    MongoServerException failure;

    LoggedCollection(MongoDatabase database, String name, CollectionOptions options, CursorRegistry cursors,
        ChangeLog log) {
        super(database, name, options, cursors);
        this.log = log;
    }

    @Override
    public void addIndex(Index<Integer> index) {
        if (index instanceof IdIndex byId) {
            ids = byId;
        }
        super.addIndex(index);
    }

    /** The document as it is now, or null. */
    Document get(Object id) {
        Integer position = ids.positions.get(id);
        return position == null ? null : getDocument(position);
    }

    /** The first of these documents, and a cursor for the others. */
    QueryResult page(List<Document> documents, int size) {
        return createQueryResult(documents, size);
    }

    /**
     * Inserts a document, its {@code _id} in front as a server has it; where it was sent so, its very bytes are kept.
     *
     * @throws MongoServerError 11000 when its {@code _id} is there, and others of the library
     */
    synchronized void insert(Bson.Sent insert) {
        Document document = insert.document();
        boolean inFront = !document.isEmpty() && document.keySet().iterator().next().equals("_id");
        sent = inFront ? insert.bytes() : null;
        try {
            addDocument(inFront ? document
                : new Document("_id", document.getOrDefault("_id", new ObjectId())).appendAll(document));
        } finally {
            sent = null;
        }
    }

    @Override
    protected Integer addDocumentInternal(Document document) {
        Integer position = documents.isEmpty() ? 0 : documents.lastKey() + 1;
        byte[] bytes = sent != null ? sent : Bson.write(document);
        documents.put(position, bytes);
        add("insert", document.get("_id"), bytes, null, null, null);
        return position;
    }

    @Override
    protected void removeDocument(Integer position) {
        byte[] before = documents.remove(position);
        add("delete", Bson.read(before).get("_id"), null, null, before, null);
    }

    @Override
    protected void handleUpdate(Integer position, Document before, Document after) {
        after.putAll(hidden);
        byte[] bytes = Bson.write(after);
        byte[] old = documents.put(position, bytes);
        if (UpdateDescription.isReplacement(update)) {
            add("replace", after.get("_id"), bytes, null, old, null);
        } else {
            byte[] description = Bson.write(UpdateDescription.of(update, before, after));
            add("update", after.get("_id"), null, description, old, bytes);
        }
    }

    private void add(String type, Object id, byte[] fullDocument, byte[] updateDescription, byte[] before,
        byte[] after) {
        log.add(new ChangeLog.Change(type, getDatabaseName(), getCollectionName(), null, id, fullDocument,
            updateDescription, images ? before : null, images ? after : null));
    }

    @Override
    protected Document getDocument(Integer position) {
        Document document = Bson.read(documents.get(position));
        document.keySet().removeAll(hidden.keySet());
        return document;
    }

    @Override
    protected Stream<DocumentWithPosition<Integer>> streamAllDocumentsWithPosition() {
        return documents.keySet().stream().map(position -> new DocumentWithPosition<>(getDocument(position), position));
    }

    @Override
    public int count() {
        return documents.size();
    }

    @Override
    protected boolean tracksDataSize() {
        return false;
    }

    @Override
    protected void updateDataSize(int difference) {
        // Not tracked: added up when somebody asks.
    }

    @Override
    protected int getDataSize() {
        return documents.values().stream().mapToInt(document -> document.length).sum();
    }

    @Override
    protected QueryResult matchDocumentsFromStream(Document query, Stream<Document> found, int skip, int limit,
                                                   int batchSize, Comparator<Document> order, Document fields) {
        if (fields == null || fields.isEmpty()) {
            return super.matchDocumentsFromStream(query, found, skip, limit, batchSize, order, null);
        }
        Projection projection = new Projection(fields, false);
        QueryResult whole = super.matchDocumentsFromStream(query, found, skip, limit, 0, order, null);
        return page(whole.collectDocuments().stream().map(projection::apply).toList(), batchSize);
    }

    @Override
    protected boolean documentMatchesQuery(Document document, Document query) {
        return Query.matches(document, query);
    }

    @Override
    protected QueryResult queryDocuments(Document query, Document orderBy, int skip, int limit, int batchSize,
        Document fields) {
        Object id = idCondition(query);
        Stream<Integer> positions = null;
        if (id != null && !(id instanceof Document)) {
            positions = Stream.ofNullable(ids.positions.get(id));
        } else if (orderBy != null && orderBy.equals(new Document("_id", 1))) {
            positions = ids.positions.values().stream();
        }
        return positions == null ? super.queryDocuments(query, orderBy, skip, limit, batchSize, fields)
            : matchDocumentsFromStream(query, positions.map(this::getDocument), skip, limit, batchSize, null, fields);
    }

    @Override
    protected QueryResult matchDocuments(Document query, Document orderBy, int skip, int limit, int batchSize,
        Document fields) {
        Stream<byte[]> inOrder = (isNaturalDescending(orderBy) ? documents.descendingMap() : documents).values()
            .stream();
        return matchDocumentsFromStream(inOrder.map(Bson::read), query, orderBy, skip, limit, batchSize, fields);
    }

    /** The condition on {@code _id} that every match must meet, also within {@code $and}, or null. */
    private static Object idCondition(Document query) {
        Object id = query.get("_id");
        if (id == null && query.get("$and") instanceof List<?> parts) {
            for (Object part : parts) {
                id = id == null ? idCondition((Document) part) : id;
            }
        }
        return id;
    }

    /** Updates one found document after the other, the positional {@code $} written out for each. */
    @Override
    public synchronized Document updateDocuments(Document selector, Document change, ArrayFilters arrayFilters,
                                                 boolean isMulti, boolean isUpsert, Oplog oplog) {
        boolean replaces = UpdateDescription.isReplacement(change);
        int matched = 0;
        int modified = 0;
        try {
            ErrorCodes.require(!isMulti || !replaces, 9, "multi update is not supported for replacement-style update");
            for (Document found : find(selector, null, isMulti ? 0 : 1)) {
                matched++;
                if (replaces) {
                    modified += replace(found, change).equals(found) ? 0 : 1;
                    continue;
                }
                update = UpdateDescription.position(change, selector, found);
                hidden.clear();
                hidden.putAll(found);
                hidden.keySet().removeIf(name -> !name.contains(".") && !name.startsWith("$"));
                modified += (Integer) super.updateDocuments(new Document("_id", found.get("_id")), update, arrayFilters,
                    false, false, oplog).get("nModified");
            }
            if (matched > 0 || !isUpsert) {
                return new Document("n", matched).append("nModified", modified);
            }
            Document set = replaces ? change : (Document) change.getOrDefault("$setOnInsert", new Document());
            upserted.putAll(replaces ? change : Map.of());
            if ((set.containsKey("_id") ? set : selector).getOrDefault("_id", "") == null) {
                upserted.put("_id", null);
            }
            Document rest = replaces ? new Document() : change;
            return super.updateDocuments(selector, rest, arrayFilters, false, true, oplog);
        } catch (MongoServerException e) {
            failure = e;
            throw e;
        } finally {
            hidden.clear();
            upserted.clear();
        }
    }

    /** The library keeps the order of the fields, and allows no dots in their names. */
    private Document replace(Document found, Document replacement) {
        Object id = found.get("_id");
        Document after = new Document("_id", id).appendAll(replacement);
        ErrorCodes.require(ids.positions.comparator().compare(id, after.get("_id")) == 0, 66, "After applying the "
            + "update, the (immutable) field '_id' was found to have been altered to _id: " + after.get("_id"));
        if (!Arrays.equals(Bson.write(found), Bson.write(after))) {
            Integer position = ids.positions.get(id);
            getIndexes().forEach(index -> index.checkUpdate(found, after, this));
            getIndexes().forEach(index -> index.updateInPlace(found, after, position, this));
            update = replacement;
            handleUpdate(position, found, after);
        }
        return after;
    }

    @Override
    public synchronized void addDocument(Document document) {
        document.putAll(upserted);
        if (document.get("_id") instanceof Document id && id.keySet().stream().anyMatch(name -> name.startsWith("$"))) {
            throw ErrorCodes.error(52, "_id fields may not contain '$'-prefixed fields: " + id);
        }
        super.addDocument(document);
    }

    /** The documents that match, at most so many, or all with 0. */
    List<Document> find(Document selector, Document sort, int limit) {
        return queryDocuments(selector, sort, 0, limit, 0, null).collectDocuments();
    }
}
