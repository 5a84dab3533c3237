package neighbour

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

const (
	// Machines answer within milliseconds; frames get lost.
	tries   = 3
	tryFor  = 500 * time.Millisecond
	forMore = linger
)

// A question asks everybody at an interface who has an address.
type question struct {
	conn interface {
		SetReadDeadline(time.Time) error
		Close() error
	}
	send func() error
	read func() ([]pxepilot.MAC, error) // who speaks in the next frame; nobody where that is no answer
}

// ask tells who says that the address is theirs: mostly one, and nobody where
// nobody answers. It may not without CAP_NET_RAW.
func (w *way) ask(ctx context.Context) (answers []pxepilot.MAC, may bool, err error) {
	var q *question
	if w.remote.Is4() {
		q, err = w.byARP()
	} else {
		q, err = w.byNDP()
	}
	if forbidden(err) {
		return nil, false, nil
	}
	if err == nil {
		wake := context.AfterFunc(ctx, func() { _ = q.conn.SetReadDeadline(time.Unix(1, 0)) })
		answers, err = q.answers(ctx)
		wake()
		err = errors.Join(err, q.conn.Close())
	}
	switch {
	case ctx.Err() != nil:
		return nil, true, ctx.Err()
	case err != nil:
		return nil, true, pxepilot.Errorf(pxepilot.Unavailable, "cannot ask for %s at the interface %s: %v; is the interface still up?",
			w.remote.WithZone(""), w.link.name, err)
	}
	return answers, true, nil
}

// answers asks until somebody answers, and then waits whether others do.
func (q *question) answers(ctx context.Context) (all []pxepilot.MAC, err error) {
	for range tries {
		if err := errors.Join(q.send(), q.conn.SetReadDeadline(time.Now().Add(tryFor))); err != nil {
			return nil, err
		}
		for ctx.Err() == nil {
			macs, err := q.read()
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return nil, err
			}
			for _, m := range macs {
				if slices.Contains(all, m) {
					continue
				}
				if all = append(all, m); len(all) > 1 {
					continue
				}
				if err := q.conn.SetReadDeadline(time.Now().Add(forMore)); err != nil {
					return nil, err
				}
			}
		}
		if len(all) > 0 || ctx.Err() != nil {
			break
		}
	}
	return all, nil
}

func (w *way) byARP() (*question, error) {
	filter, err := repliesTo(w.source)
	if err != nil {
		return nil, err
	}
	ifi := &net.Interface{Index: w.link.index, Name: w.link.name, HardwareAddr: w.link.mac[:]}
	conn, err := packet.Listen(ifi, packet.Raw, unix.ETH_P_ARP, &packet.Config{Filter: filter})
	if err != nil {
		return nil, err
	}
	frame, buf, target := newFrame(w.link.mac, w.source), make([]byte, 128), toUint(w.remote)
	aim(frame, target)
	return &question{
		conn: conn,
		send: func() error {
			_, err := conn.WriteTo(frame, &packet.Addr{HardwareAddr: net.HardwareAddr(frame[atDestination:atSource])})
			return err
		},
		read: func() ([]pxepilot.MAC, error) {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return nil, err
			}
			return replies(buf[:n], target), nil
		},
	}, nil
}

// replies tells who is in a reply about an address: mostly one, but two where a
// machine says that it is another's.
func replies(frame []byte, target uint32) []pxepilot.MAC {
	addr, mac, ok := parseReply(frame)
	if !ok || addr != target {
		return nil
	}
	return []pxepilot.MAC{mac, pxepilot.MAC(frame[atSource:])}
}

// nudge sends an empty datagram to the discard port (RFC 863): the kernel asks for
// whom it is to send to, if it does not know.
func (w *way) nudge(ctx context.Context) error {
	const discard = "9"
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", net.JoinHostPort(w.remote.String(), discard))
	if err != nil {
		return cannotSend(w.remote, err)
	}
	_, err = conn.Write(nil)
	if err := errors.Join(err, conn.Close()); err != nil {
		return cannotSend(w.remote, err)
	}
	return nil
}
