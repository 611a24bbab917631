/* Stands where the agent stands under a launcher, and hands its end of the channel to the test that
 * listens at the path given: the test plays the agent. Ends when the test does. */
#include "nodeagent/launcher_client.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec vector = {(char[]){"x"}, 1};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    int channel, test;
    char byte;

    if (argc != 2 || launcher_client_inherited(&channel) != STATUS_OK) {
        return 64;
    }
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]);
    test = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (test < 0 || connect(test, (const struct sockaddr *)&address, sizeof address) != 0) {
        return 1;
    }
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&control.header), &channel, sizeof channel);
    if (sendmsg(test, &message, 0) != 1) {
        return 1;
    }
    /* The test has it now; two holders would hide that one is gone. */
    (void)close(channel);
    return read(test, &byte, 1) < 0;
}
