///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.mongodb:mongodb-driver-sync:5.14.0
//DEPS org.slf4j:slf4j-nop:2.0.17
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m

import com.mongodb.ConnectionString;
import com.mongodb.MongoClientSettings;
import com.mongodb.MongoCommandException;
import com.mongodb.MongoException;
import com.mongodb.client.MongoClients;
import com.mongodb.client.MongoDatabase;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.List;
import java.util.Scanner;
import org.bson.Document;
import org.bson.UuidRepresentation;

import static java.nio.charset.StandardCharsets.UTF_8;
import static java.util.concurrent.TimeUnit.SECONDS;

/**
 * Runs database commands for tests, as a server: a JVM for each would take half of the suite's time. Prints the port
 * of loopback on which it listens, and goes on until it is killed.
 *
 * <p>A connection is one call: how many commands, the connection string, the database, then the commands as JSON, each
 * with a NUL after it. The answer is a line with an exit code, then each reply as one line of relaxed Extended JSON;
 * one with a cursor as its documents, all of them, one a line. A command that fails says why and is the last; the exit
 * code is then 1.
 */
class command {
    public static void main(String... args) throws IOException {
        try (var server = new ServerSocket(0, 50, InetAddress.getLoopbackAddress())) {
            System.out.println(server.getLocalPort());
            while (true) {
                Socket caller = server.accept();
                new Thread(() -> answer(caller)).start();
            }
        }
    }

    private static void answer(Socket caller) {
        try (caller; var out = new PrintStream(caller.getOutputStream(), false, UTF_8)) {
            var request = new Scanner(caller.getInputStream(), UTF_8).useDelimiter("\0");
            int count = request.nextInt();
            var replies = new StringBuilder();
            int code = run(request, count, replies);
            out.print(code + "\n" + replies);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static int run(Scanner request, int count, StringBuilder replies) {
        var settings = MongoClientSettings.builder()
                .uuidRepresentation(UuidRepresentation.STANDARD)
                .applyConnectionString(new ConnectionString(request.next()))
                .applyToClusterSettings(cluster -> cluster.serverSelectionTimeout(5, SECONDS))
                .applyToSocketSettings(socket -> socket.readTimeout(60, SECONDS)) // a hanging server is a failing test
                .build();
        try (var client = MongoClients.create(settings)) {
            var database = client.getDatabase(request.next());
            for (int i = 0; i < count; i++) {
                run(database, Document.parse(request.next()), replies);
            }
            return 0;
        } catch (MongoCommandException e) {
            replies.append(e.getResponse().toJson()).append('\n');
            return 1;
        } catch (MongoException e) {
            replies.append(e).append('\n');
            return 1;
        }
    }

    private static void run(MongoDatabase database, Document command, StringBuilder replies) {
        Document reply = database.runCommand(command);
        Document cursor = reply.get("cursor", Document.class);
        if (cursor == null) {
            print(List.of(reply), replies);
            return;
        }
        print(cursor.getList("firstBatch", Document.class), replies);
        String namespace = cursor.getString("ns");
        String collection = namespace.substring(namespace.indexOf('.') + 1);
        for (long id; (id = ((Number) cursor.get("id")).longValue()) != 0; ) {
            cursor = database.runCommand(new Document("getMore", id).append("collection", collection))
                    .get("cursor", Document.class);
            print(cursor.getList("nextBatch", Document.class), replies);
        }
    }

    private static void print(List<Document> documents, StringBuilder replies) {
        documents.forEach(document -> replies.append(document.toJson()).append('\n'));
    }
}
