///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m

import com.mongodb.ConnectionString;
import com.mongodb.MongoClientSettings;
import com.mongodb.MongoCommandException;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoDatabase;
import java.util.List;
import org.bson.Document;
import org.bson.UuidRepresentation;

import static java.util.concurrent.TimeUnit.SECONDS;

/**
 * Runs database commands, for tests: {@code jbang command.java '{"count": "accounts"}' ...} on MONGODB_ATLAS_URL and
 * DATABASE of the environment, where a password shows in no list of processes.
 *
 * <p>Prints each reply as one line of relaxed Extended JSON; one with a cursor as its documents, all of them, one a
 * line. A command that fails prints the error's reply, and ends the run with exit code 1.
 */
class command {
    public static void main(String... args) {
        var settings = MongoClientSettings.builder()
                .uuidRepresentation(UuidRepresentation.STANDARD)
                .applyConnectionString(new ConnectionString(System.getenv("MONGODB_ATLAS_URL")))
                .applyToClusterSettings(cluster -> cluster.serverSelectionTimeout(5, SECONDS))
                .applyToSocketSettings(socket -> socket.readTimeout(60, SECONDS)) // a hanging server is a failing test
                .build();
        try (var client = MongoClients.create(settings)) {
            var database = client.getDatabase(System.getenv("DATABASE"));
            for (String json : args) {
                run(database, Document.parse(json));
            }
        } catch (MongoCommandException e) {
            System.out.println(e.getResponse().toJson());
            System.exit(1);
        }
    }

    private static void run(MongoDatabase database, Document command) {
        Document reply = database.runCommand(command);
        Document cursor = reply.get("cursor", Document.class);
        if (cursor == null) {
            System.out.println(reply.toJson());
            return;
        }
        print(cursor.getList("firstBatch", Document.class));
        String namespace = cursor.getString("ns");
        String collection = namespace.substring(namespace.indexOf('.') + 1);
        for (long id; (id = ((Number) cursor.get("id")).longValue()) != 0; ) {
            cursor = database.runCommand(new Document("getMore", id).append("collection", collection))
                    .get("cursor", Document.class);
            print(cursor.getList("nextBatch", Document.class));
        }
    }

    private static void print(List<Document> documents) {
        documents.forEach(document -> System.out.println(document.toJson()));
    }
}
