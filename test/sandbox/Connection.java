import java.net.Socket;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;

/** What the server knows of one client's connection. */
final class Connection {

    private static final AtomicInteger COUNT = new AtomicInteger();

    final int id = COUNT.incrementAndGet();
    /** The address that the client connected to, and so the one that it can reach this server by. */
    final String address;
    final String clientAddress;
    /** The appName of the client's connection string, or null. */
    volatile Object appName;
    /** The cursors that this connection opened or read last; they end with it. */
    final Set<Long> cursors = ConcurrentHashMap.newKeySet();

    Connection(Socket socket) {
        clientAddress = socket.getInetAddress().getHostAddress() + ":" + socket.getPort();
        address = socket.getLocalAddress().getHostAddress() + ":" + socket.getLocalPort();
    }
}
