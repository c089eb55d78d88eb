import de.bwaldvogel.mongo.backend.*;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.util.*;
import java.util.stream.Collectors;

/**
 * What {@code $project}, {@code $addFields} and the projection of a find leave of a document and add to it. A path
 * leads through embedded documents and the elements of arrays, written with dots or as nested documents.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/operator/aggregation/project/">$project</a>
 */
final class Projection {

    private record Computed(Object expression) {
    }

    /** By field name: true or false, whether it is kept; a {@link Computed} field; or the tree below. */
    private final Document tree = new Document();
    private final boolean adds;
    /** Whether fields that are not named are left out; null until a field is named that tells. */
    private Boolean inclusion;

    /**
     * @param adds whether this is {@code $addFields}, in which a number is a value
     * @throws MongoServerError 40177 or 51272 nothing in it, 31249 a path twice, 31253 or 31254 both in- and exclusions
     */
    Projection(Document specification, boolean adds) {
        this.adds = adds;
        inclusion = adds ? Boolean.FALSE : null;
        ErrorCodes.require(!specification.isEmpty(), adds ? 40177 : 51272, "specification must have a field");
        specification.forEach((path, value) -> parse(tree, path, path, value));
        if (inclusion == null) {
            inclusion = !Boolean.FALSE.equals(tree.get("_id"));
        }
        if (inclusion) {
            tree.putIfAbsent("_id", true);
        }
    }

    /** {@code $unset}. */
    static Projection without(Object fields) {
        Document specification = new Document();
        Collection<?> names = fields instanceof Collection<?> many ? many : List.of(fields);
        names.forEach(name -> specification.put((String) name, 0));
        return new Projection(specification, false);
    }

    private void parse(Document parent, String path, String whole, Object value) {
        String name = path.split("\\.", 2)[0];
        ErrorCodes.require(!name.startsWith("$"), 16410, "FieldPath field names may not start with '$': " + whole);
        ErrorCodes.require(!name.isEmpty() && !path.endsWith("."), 15998, "FieldPath field names may not be empty");
        boolean nested = value instanceof Document fields && !fields.isEmpty()
            && !fields.keySet().iterator().next().startsWith("$");
        Object node = name.equals(path) && !nested ? leaf(whole, value) : parent.getOrDefault(name, new Document());
        Object before = parent.put(name, node);
        ErrorCodes.require(before == null || before == node && node instanceof Document, 31249,
            "Path collision at " + whole);
        if (node instanceof Document below && !name.equals(path)) {
            parse(below, path.substring(name.length() + 1), whole, value);
        } else if (node instanceof Document below) {
            ((Document) value).forEach((inner, part) -> parse(below, inner, whole + "." + inner, part));
        }
    }

    private Object leaf(String path, Object value) {
        boolean computed = adds || !(value instanceof Number || value instanceof Boolean);
        boolean included = computed || Utils.isTrue(value);
        if (!adds && (computed || !path.equals("_id"))) {
            ErrorCodes.require(inclusion == null || inclusion == included, included ? 31253 : 31254,
                "Cannot mix inclusions and exclusions in one projection: " + path);
            inclusion = included;
        }
        Expressions.validate(value);
        return computed ? new Computed(value) : included;
    }

    Document apply(Document document) {
        return (Document) project(document, tree, document);
    }

    private Object project(Object value, Document fields, Document root) {
        if (value instanceof Collection<?> elements) {
            return elements.stream().map(element -> project(element, fields, root))
                .filter(element -> !(element instanceof Missing)).collect(Collectors.toList());
        }
        if (!(value instanceof Document document)) {
            Object left = inclusion ? Missing.getInstance() : value;
            return computes(fields) ? project(new Document(), fields, root) : left;
        }
        Document result = new Document();
        document.forEach((name, field) -> {
            Object node = fields.get(name);
            if (node instanceof Document below) {
                result.put(name, project(field, below, root));
            } else if (node instanceof Boolean kept ? kept : !inclusion) {
                result.put(name, field);
            }
        });
        fields.forEach((name, node) -> {
            if (node instanceof Computed field) {
                result.put(name, Expressions.evaluate(field.expression, root));
            } else if (node instanceof Document below && !document.containsKey(name) && computes(below)) {
                result.put(name, project(new Document(), below, root));
            }
        });
        result.values().removeIf(field -> field instanceof Missing);
        return result;
    }

    private static boolean computes(Document fields) {
        return fields.values().stream()
            .anyMatch(node -> node instanceof Computed || node instanceof Document below && computes(below));
    }
}
