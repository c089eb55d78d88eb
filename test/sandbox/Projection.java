import de.bwaldvogel.mongo.backend.*;
import de.bwaldvogel.mongo.bson.Document;
import de.bwaldvogel.mongo.exception.MongoServerError;

import java.util.*;
import java.util.stream.Collectors;

/**
 * What {@code $project}, {@code $addFields} and the projection of a find leave of a document and add to it. A path leads
 * through embedded documents and the elements of arrays, written with dots or as nested documents.
 *
 * @see <a href="https://www.mongodb.com/docs/manual/reference/operator/aggregation/project/">$project</a>
 */
final class Projection {

    private enum Leaf { INCLUDED, EXCLUDED }

    private record Computed(Object expression) {
    }

    /** By field name: a {@link Leaf}, a {@link Computed} field, or the tree below. */
    private final Document tree = new Document();
    private final boolean adds;
    /** Whether a field that is not named is left out; null until one is named that tells. */
    private Boolean inclusion;

    /**
     * @param adds whether this is {@code $addFields}, in which a number is a value
     * @throws MongoServerError 51272 nothing in it, 31249 path collision, 31253 or 31254 inclusions and exclusions in one
     */
    Projection(Document specification, boolean adds) {
        this.adds = adds;
        inclusion = adds ? Boolean.FALSE : null;
        if (specification.isEmpty()) {
            throw adds ? error(40177, "specification must have at least one field")
                : error(51272, "projection specification must have at least one field");
        }
        specification.forEach((path, value) -> parse(tree, path, path, value));
        if (inclusion == null) {
            inclusion = tree.get("_id") != Leaf.EXCLUDED;
        }
        if (inclusion && !tree.containsKey("_id")) {
            tree.put("_id", Leaf.INCLUDED);
        }
    }

    /** {@code $unset}. */
    static Projection without(Object fields) {
        Document specification = new Document();
        (fields instanceof Collection<?> many ? many : List.of(fields)).forEach(field -> specification.put((String) field, 0));
        return new Projection(specification, false);
    }

    private static MongoServerError error(int code, String message) {
        return ErrorCodes.error(code, message);
    }

    private void parse(Document parent, String path, String whole, Object value) {
        int dot = path.indexOf('.');
        String name = dot < 0 ? path : path.substring(0, dot);
        if (name.isEmpty() || path.endsWith(".")) {
            throw error(15998, "FieldPath field names may not be empty strings: " + whole);
        }
        if (name.startsWith("$")) {
            throw error(16410, "FieldPath field names may not start with '$'. Consider using $getField or $setField: " + whole);
        }
        boolean nested = value instanceof Document fields && !fields.isEmpty()
            && !fields.keySet().iterator().next().startsWith("$");
        if (dot < 0 && !nested) {
            if (parent.put(name, leaf(whole, value)) != null) {
                throw error(31249, "Path collision at " + whole);
            }
            return;
        }
        if (!(parent.computeIfAbsent(name, absent -> new Document()) instanceof Document below)) {
            throw error(31249, "Path collision at " + whole);
        }
        if (dot >= 0) {
            parse(below, path.substring(dot + 1), whole, value);
        } else {
            ((Document) value).forEach((inner, part) -> parse(below, inner, whole + "." + inner, part));
        }
    }

    private Object leaf(String path, Object value) {
        boolean computed = adds || !(value instanceof Number || value instanceof Boolean);
        boolean included = computed || Utils.isTrue(value);
        if (!adds && (computed || !path.equals("_id"))) {
            if (inclusion != null && inclusion != included) {
                throw included ? error(31253, "Cannot do inclusion on field " + path + " in exclusion projection")
                    : error(31254, "Cannot do exclusion on field " + path + " in inclusion projection");
            }
            inclusion = included;
        }
        if (computed) {
            Expressions.validate(value);
            return new Computed(value);
        }
        return included ? Leaf.INCLUDED : Leaf.EXCLUDED;
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
            return computes(fields) ? project(new Document(), fields, root) : inclusion ? Missing.getInstance() : value;
        }
        Document result = new Document();
        for (Map.Entry<String, Object> field : document.entrySet()) {
            Object kept = fields.get(field.getKey());
            if (kept instanceof Document below) {
                put(result, field.getKey(), project(field.getValue(), below, root));
            } else if (kept == Leaf.INCLUDED || !inclusion && kept != Leaf.EXCLUDED) {
                result.put(field.getKey(), field.getValue());
            }
        }
        fields.forEach((name, kept) -> {
            if (kept instanceof Computed field) {
                put(result, name, Expressions.evaluate(field.expression, root));
            } else if (kept instanceof Document below && !document.containsKey(name) && computes(below)) {
                result.put(name, project(new Document(), below, root));
            }
        });
        return result;
    }

    private static boolean computes(Document fields) {
        return fields.values().stream().anyMatch(field -> field instanceof Computed || field instanceof Document d && computes(d));
    }

    private static void put(Document document, String name, Object value) {
        if (value instanceof Missing) {
            document.remove(name);
        } else {
            document.put(name, value);
        }
    }
}
