/* Hosts on one machine, and the network between them.
 *
 * usage: wire HOST...        as root; at most 32 hosts
 *
 * Each host is a network namespace of its own with one Ethernet card, eth0, that is a TAP device of
 * this process; here its frames are carried over to the others, as a switch would, or are lost, or
 * come late. No kernel module, no root daemon and no name outside this process: the namespaces end
 * with it and with whoever still runs in them.
 *
 * It prints a line a host and then "ready":
 *     HOST ADDRESS NAMESPACE        for nsenter --net=NAMESPACE
 * and takes lines, each answered with "ok" or "error: ...":
 *     link FROM TO LOSS DELAY JITTER   frames from FROM to TO: LOSS of 1000 are lost, the others
 *                                      come DELAY ms late, and up to JITTER ms more
 *     heal                             all links are whole again
 *     seed N                           for the frames that are lost from now on
 *
 * It ends when its standard input does. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HOSTS_MAX   32
#define FRAME_BYTES 2048 /* the cards' MTU is 1500 */
#define LATE_MAX    8192 /* frames on their way; what comes beyond them is lost */
#define TURN_FRAMES 64   /* of one host before the next one's turn */
#define LINE_BYTES  256
#define LOSS_ALL    1000
#define MS_MAX      60000

typedef struct {
    unsigned loss; /* of 1000 */
    unsigned delay_ms;
    unsigned jitter_ms;
} link_t;

typedef struct {
    const char *name;
    int card;      /* the TAP device's descriptor */
    int namespace; /* its network namespace's descriptor */
} host_t;

typedef struct {
    uint64_t due_us;
    size_t to;
    size_t size;
    uint8_t bytes[FRAME_BYTES];
} frame_t;

static host_t hosts[HOSTS_MAX];
static size_t hosts_count;
static link_t links[HOSTS_MAX][HOSTS_MAX];
static frame_t *late[LATE_MAX]; /* a heap: the frame that is due first is first */
static size_t late_count;
static uint64_t random_state = 1;

static void die(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("wire: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* splitmix64: public domain, by Sebastiano Vigna. */
static uint64_t next_random(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

/* -------------------------------------------------------------------------------------- the hosts
 */

static void control(int socket, unsigned long request, struct ifreq *interface, const char *what)
{
    if (ioctl(socket, request, interface) != 0)
        die("%s: %s", what, strerror(errno));
}

static void bring_up(int socket, const char *name)
{
    struct ifreq interface = {.ifr_flags = IFF_UP};
    snprintf(interface.ifr_name, sizeof interface.ifr_name, "%s", name);
    control(socket, SIOCSIFFLAGS, &interface, name);
}

static void set_address(int socket, unsigned long request, const char *text)
{
    struct ifreq interface = {.ifr_name = "eth0"};
    struct sockaddr_in address = {.sin_family = AF_INET};
    inet_pton(AF_INET, text, &address.sin_addr);
    memcpy(&interface.ifr_addr, &address, sizeof address);
    control(socket, request, &interface, text);
}

/* Makes a host, with this thread in its namespace. */
static void make_host(size_t number, const char *name)
{
    host_t *host = &hosts[number];
    char address[INET_ADDRSTRLEN];
    host->name = name;
    if (unshare(CLONE_NEWNET) != 0)
        die("a network namespace: %s", strerror(errno));
    host->namespace = open("/proc/self/ns/net", O_RDONLY);
    host->card = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
    int socket_ = socket(AF_INET, SOCK_DGRAM, 0);
    if (host->namespace < 0 || host->card < 0 || socket_ < 0)
        die("/dev/net/tun: %s", strerror(errno));
    struct ifreq interface = {.ifr_name = "eth0", .ifr_flags = IFF_TAP | IFF_NO_PI};
    control(host->card, TUNSETIFF, &interface, "a TAP device");
    const uint8_t mac[6] = {2, 0, 0, 0, 0, (uint8_t)(number + 1)};
    interface.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    memcpy(interface.ifr_hwaddr.sa_data, mac, sizeof mac);
    control(socket_, SIOCSIFHWADDR, &interface, "the card's address");
    snprintf(address, sizeof address, "10.213.0.%zu", number + 1);
    set_address(socket_, SIOCSIFADDR, address);
    set_address(socket_, SIOCSIFNETMASK, "255.255.255.0");
    bring_up(socket_, "lo");
    bring_up(socket_, "eth0");
    close(socket_);
    printf("%s %s /proc/%d/fd/%d\n", name, address, (int)getpid(), host->namespace);
}

/* ------------------------------------------------------------------------------------- the frames
 */

static void swap(size_t i, size_t k)
{
    frame_t *frame = late[i];
    late[i] = late[k];
    late[k] = frame;
}

static void push_late(frame_t *frame)
{
    size_t i = late_count++;
    late[i] = frame;
    for (; i > 0 && late[i]->due_us < late[(i - 1) / 2]->due_us; i = (i - 1) / 2)
        swap(i, (i - 1) / 2);
}

static frame_t *pop_late(void)
{
    frame_t *first = late[0];
    late[0] = late[--late_count];
    for (size_t i = 0, least;; i = least) {
        least = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2; child++)
            if (child < late_count && late[child]->due_us < late[least]->due_us)
                least = child;
        if (least == i)
            return first;
        swap(i, least);
    }
}

/* A card that takes no more loses the frame, as cards do. */
static void deliver(size_t to, const uint8_t *bytes, size_t size)
{
    if (write(hosts[to].card, bytes, size) < 0 && errno != EAGAIN && errno != EIO)
        die("%s: %s", hosts[to].name, strerror(errno));
}

static void carry(size_t from, size_t to, const uint8_t *bytes, size_t size)
{
    const link_t *link = &links[from][to];
    if (link->loss > 0 && next_random() % LOSS_ALL < link->loss)
        return;
    if (link->delay_ms == 0 && link->jitter_ms == 0) {
        deliver(to, bytes, size);
        return;
    }
    if (late_count == LATE_MAX)
        return;
    frame_t *frame = malloc(sizeof *frame);
    if (!frame)
        die("no memory");
    frame->due_us =
        now_us() + 1000ULL * link->delay_ms + next_random() % (1000ULL * link->jitter_ms + 1);
    frame->to = to;
    frame->size = size;
    memcpy(frame->bytes, bytes, size);
    push_late(frame);
}

/* To whom it is addressed; to all when that is nobody here (a broadcast: who has this address?). */
static void take_from(size_t from)
{
    uint8_t bytes[FRAME_BYTES];
    for (unsigned turn = 0; turn < TURN_FRAMES; turn++) {
        ssize_t size = read(hosts[from].card, bytes, sizeof bytes);
        if (size < 14)
            return;
        size_t to = (bytes[0] == 2) ? (size_t)bytes[5] - 1 : HOSTS_MAX;
        for (size_t i = 0; i < hosts_count; i++)
            if (i != from && (to >= hosts_count || to == i))
                carry(from, i, bytes, (size_t)size);
    }
}

static void deliver_due(void)
{
    while (late_count > 0 && late[0]->due_us <= now_us()) {
        frame_t *frame = pop_late();
        deliver(frame->to, frame->bytes, frame->size);
        free(frame);
    }
}

/* ----------------------------------------------------------------------------------- the commands
 */

static bool find_host(const char *name, size_t *number)
{
    for (*number = 0; *number < hosts_count; ++*number)
        if (strcmp(hosts[*number].name, name) == 0)
            return true;
    return false;
}

static const char *obey(const char *line)
{
    char from[LINE_BYTES], to[LINE_BYTES];
    link_t link;
    size_t i, k;
    if (strcmp(line, "heal") == 0) {
        memset(links, 0, sizeof links);
        return "ok";
    }
    if (sscanf(line, "seed %lu", &random_state) == 1)
        return "ok";
    if (sscanf(line, "link %s %s %u %u %u", from, to, &link.loss, &link.delay_ms,
               &link.jitter_ms) != 5)
        return "error: not a command";
    if (!find_host(from, &i) || !find_host(to, &k))
        return "error: no such host";
    if (link.loss > LOSS_ALL || link.delay_ms > MS_MAX || link.jitter_ms > MS_MAX)
        return "error: a number is out of range";
    links[i][k] = link;
    return "ok";
}

/* False at the end of the input. */
static bool take_commands(void)
{
    static char text[4 * LINE_BYTES];
    static size_t length;
    ssize_t size = read(STDIN_FILENO, text + length, sizeof text - 1 - length);
    if (size <= 0)
        return false;
    length += (size_t)size;
    text[length] = '\0';
    for (char *end; (end = strchr(text, '\n')); memmove(text, end + 1, length + 1)) {
        *end = '\0';
        length -= (size_t)(end + 1 - text);
        puts(strlen(text) < LINE_BYTES ? obey(text) : "error: a line is too long");
    }
    return length < sizeof text - 1;
}

static int next_due_ms(void)
{
    if (late_count == 0)
        return -1;
    uint64_t now = now_us();
    return late[0]->due_us > now ? (int)((late[0]->due_us - now + 999) / 1000) : 0;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc - 1 > HOSTS_MAX) {
        fprintf(stderr, "usage: wire HOST...   (at most %d)\n", HOSTS_MAX);
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++)
        make_host(hosts_count++, argv[i]);
    puts("ready");
    for (;;) {
        struct pollfd polls[HOSTS_MAX + 1] = {{.fd = STDIN_FILENO, .events = POLLIN}};
        for (size_t i = 0; i < hosts_count; i++)
            polls[i + 1] = (struct pollfd){.fd = hosts[i].card, .events = POLLIN};
        if (poll(polls, hosts_count + 1, next_due_ms()) < 0 && errno != EINTR)
            die("poll: %s", strerror(errno));
        if (polls[0].revents && !take_commands())
            return 0;
        for (size_t i = 0; i < hosts_count; i++)
            if (polls[i + 1].revents)
                take_from(i);
        deliver_due();
    }
}
