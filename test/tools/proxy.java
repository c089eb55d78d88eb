///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//RUNTIME_OPTIONS -XX:TieredStopAtLevel=1 -Xmn32m

import java.io.*;
import java.net.*;
import java.util.*;
import java.util.concurrent.*;

/**
 * A network that fails on demand, for tests: {@code jbang proxy.java 27017} stands before that port of loopback.
 *
 * <p>Prints its own port. Then each line of standard input is an order: {@code cut} breaks all connections,
 * {@code refuse} breaks them and takes no new ones, {@code accept} takes new ones again, on the same port;
 * {@code silence} leaves those that there are open, and lets nothing through them any more.
 */
class proxy {

    static final Queue<Socket> sockets = new ConcurrentLinkedQueue<>();
    static final Set<Socket> silent = ConcurrentHashMap.newKeySet();
    static ServerSocket server;

    public static void main(String... args) throws IOException {
        int target = Integer.parseInt(args[0]);
        server = open(0);
        int port = server.getLocalPort();
        accept(target);
        System.out.println(port);
        for (String order : (Iterable<String>) new BufferedReader(new InputStreamReader(System.in)).lines()::iterator) {
            if (order.equals("accept")) {
                server = open(port);
                accept(target);
            } else if (order.equals("silence")) {
                silent.addAll(sockets);
            } else {
                if (order.equals("refuse")) server.close();
                for (Socket socket; (socket = sockets.poll()) != null; ) socket.close();
            }
            System.out.println(order);
        }
        System.exit(0);
    }

    static ServerSocket open(int port) throws IOException {
        ServerSocket socket = new ServerSocket();
        socket.setReuseAddress(true); // the port has connections that are not quite closed
        socket.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
        return socket;
    }

    static void accept(int target) {
        ServerSocket from = server;
        new Thread(() -> {
            while (!from.isClosed()) {
                try {
                    Socket client = from.accept();
                    Socket mongod = new Socket(InetAddress.getLoopbackAddress(), target);
                    sockets.addAll(List.of(client, mongod));
                    copy(client, mongod);
                    copy(mongod, client);
                } catch (IOException e) {
                    // refused from here on, or a target that is away: the client sees its connection break
                }
            }
        }).start();
    }

    static void copy(Socket from, Socket to) {
        new Thread(() -> {
            try (from; to) {
                byte[] bytes = new byte[8192];
                for (int n; (n = from.getInputStream().read(bytes)) > 0; )
                    if (!silent.contains(from)) to.getOutputStream().write(bytes, 0, n);
            } catch (IOException e) {
                // cut
            }
        }).start();
    }
}
