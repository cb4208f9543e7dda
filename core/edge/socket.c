/* What every WebSocket here does the same. */
#include "edge/edge-internal.h"

int socket_gather(struct connection *c, struct buf *in, const char *data, size_t len, size_t most,
                  struct err *err)
{
    if (lws_frame_is_binary(c->wsi))
        return err_code(err, ERR_BAD_REQUEST, "messages are JSON in text frames");
    if (in->len + len > most) {
        buf_free(in);
        return most >> 20 ? err_code(err, ERR_TOO_LARGE, "a message may have at most %zu MiB", most >> 20)
                          : err_code(err, ERR_TOO_LARGE, "a message may have at most %zu KiB", most >> 10);
    }
    buf_append(in, data, len);
    return lws_is_final_fragment(c->wsi) && lws_remaining_packet_payload(c->wsi) == 0;
}

/* To return -1 would be the usual way, but Debian's libwebsockets is built so that on libuv it then closes
 * twice, and the frame never leaves. Asked for like this it sends the frame and waits a few seconds for the
 * peer's. What it still holds back must leave first. */
bool socket_close(struct connection *c, enum lws_close_status status)
{
    if (lws_send_pipe_choked(c->wsi)) {
        lws_callback_on_writable(c->wsi);
        return false;
    }
    lws_close_reason(c->wsi, status, NULL, 0);
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_CLOSE_SEND, LWS_TO_KILL_SYNC);
    return true;
}
