package neighbour

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"github.com/pxe-pilot/pxe-pilot"
)

const (
	// How long nobody may have answered before those that did not are asked once
	// more, and before they are given up. A machine answers within milliseconds,
	// a BMC that shares its host's port may take a while.
	quietBetween = 250 * time.Millisecond
	quietAtEnd   = 500 * time.Millisecond
	// However many answers trickle in, waiting ends.
	longestQuiet = 3 * time.Second
	// Once all were seen, another that claims the same address is still heard.
	linger = 50 * time.Millisecond

	// Two rounds, and a few more for as long as answers were lost here, in our own
	// receive buffer: that says nothing about who is there.
	rounds     = 2
	mostRounds = 5
	// How many packets leave in a millisecond at most, but for the first round.
	gentleBurst = 32
	// Room for the answers of a few thousand machines; without CAP_NET_ADMIN the
	// kernel grants less (net.core.rmem_max).
	receiveBuffer = 8 << 20
)

// A wire asks through one interface, from one source address, for all the
// subnets that are reached so.
type wire struct {
	path    path
	targets []*target
	ledger  *ledger
	pacer   *pacer
	conn    *packet.Conn
	raw     syscall.RawConn
	buffer  int // receive buffer to ask for, in bytes
	lost    int // answers of the last round, in our receive buffer

	began    time.Time
	latest   atomic.Int64  // when the latest news came, as a duration since began
	left     int           // addresses that have not answered; the listener's
	complete chan struct{} // closed when there are none
	closing  atomic.Bool
}

// open opens the socket.
func (w *wire) open() error {
	filter, err := repliesTo(w.path.source)
	if err != nil {
		return err
	}
	l := w.path.link
	ifi := &net.Interface{Index: l.index, Name: l.name, HardwareAddr: l.mac[:]}
	if w.conn, err = packet.Listen(ifi, packet.Raw, unix.ETH_P_ARP, &packet.Config{Filter: filter}); err != nil {
		return err
	}
	if w.raw, err = w.conn.SyscallConn(); err != nil {
		return errors.Join(err, w.conn.Close())
	}
	return w.raw.Control(func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, w.buffer) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, w.buffer)
		}
	})
}

// sweep asks everybody, and closes the socket.
func (w *wire) sweep(ctx context.Context) {
	w.began, w.complete = time.Now(), make(chan struct{})
	for _, t := range w.targets {
		t.started = w.began
		w.left += t.total()
	}
	if w.left == 0 {
		close(w.complete)
	}
	read := make(chan error, 1)
	go func() { read <- w.listen() }()
	// A full send buffer must not hold up an end.
	wake := context.AfterFunc(ctx, func() { _ = w.conn.SetDeadline(time.Unix(1, 0)) })

	err := w.rounds(ctx)
	wake()
	w.closing.Store(true)
	err = errors.Join(err, w.conn.Close(), <-read)
	if err != nil && ctx.Err() == nil {
		w.ledger.end(w.targets, pxepilot.Errorf(pxepilot.Unavailable,
			"asking by ARP at interface %s failed: %v; is the interface still up?", w.path.link.name, err))
		return
	}
	w.ledger.end(w.targets, ctx.Err())
}

// note says what may be wrong with what was seen.
func (w *wire) note() string {
	if w.lost == 0 {
		return ""
	}
	return fmt.Sprintf("%d answers were lost in this machine's receive buffer, and machines may be missing; sweep at a lower rate, or raise net.core.rmem_max", w.lost)
}

// rounds asks, and asks those that did not answer again.
func (w *wire) rounds(ctx context.Context) error {
	for n := 1; ; n++ {
		if err := w.round(ctx, n > 1); err != nil {
			return err
		}
		quiet := quietBetween
		if n >= rounds {
			quiet = quietAtEnd
		}
		if over, err := w.settle(ctx, quiet); over || err != nil {
			w.lost = 0
			return err
		}
		stats, err := w.conn.Stats() // since the last call
		if err != nil {
			return err
		}
		w.lost = int(stats.Drops)
		if n == mostRounds || n >= rounds && w.lost == 0 {
			return nil
		}
	}
}

// round sends a request to each address that has not answered yet, until there
// is nothing left to look for. It reuses one frame. A gentle round leaves time for
// whoever may have been swamped: a machine, a switch, or our own listener.
func (w *wire) round(ctx context.Context, gentle bool) error {
	frame := newFrame(w.path.link.mac, w.path.source)
	sent := 0
	for _, t := range w.targets {
		for i := range t.answered {
			if w.ledger.everythingSeen() {
				return nil
			}
			if !w.ledger.ask(t, i) {
				continue
			}
			if err := w.pacer.wait(ctx); err != nil {
				return err
			}
			if sent++; gentle && sent%gentleBurst == 0 {
				if err := pause(ctx, time.Millisecond); err != nil {
					return err
				}
			}
			aim(frame, t.first+uint32(i))
			if err := w.send(ctx, frame); err != nil {
				return err
			}
		}
	}
	return ctx.Err()
}

func (w *wire) send(ctx context.Context, frame []byte) error {
	for {
		var err error
		werr := w.raw.Write(func(fd uintptr) bool {
			_, err = unix.Write(int(fd), frame)
			return !errors.Is(err, unix.EAGAIN)
		})
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case werr != nil:
			return werr
		case errors.Is(err, unix.ENOBUFS): // the interface's queue is full
			err = pause(ctx, time.Millisecond)
		case errors.Is(err, unix.EINTR):
			err = nil
		default:
			return err
		}
		if err != nil {
			return err
		}
	}
}

// listen notes answers until the socket is closed.
func (w *wire) listen() error {
	buf := make([]byte, 128)
	var failed error
	err := w.raw.Read(func(fd uintptr) bool {
		// A flood of answers must not keep the socket open.
		for !w.closing.Load() {
			n, err := unix.Read(int(fd), buf)
			switch {
			case err == nil:
				w.hear(buf[:n])
			case errors.Is(err, unix.EINTR):
			case errors.Is(err, unix.EAGAIN):
				return false
			default:
				failed = err
				return true
			}
		}
		return true
	})
	if w.closing.Load() {
		return nil
	}
	return errors.Join(failed, err)
}

func (w *wire) hear(frame []byte) {
	addr, mac, ok := parseReply(frame)
	if !ok {
		return
	}
	first, again := w.ledger.saw(w.targets, addr, mac)
	if first+again == 0 {
		return
	}
	w.latest.Store(int64(time.Since(w.began)))
	if w.left -= first; w.left == 0 && first > 0 {
		close(w.complete)
	}
}

// settle waits until nobody has answered for a quiet time. over says that there
// is nobody left to look for.
func (w *wire) settle(ctx context.Context, quiet time.Duration) (over bool, err error) {
	start := time.Now()
	for {
		now := time.Now()
		since := start
		if latest := w.began.Add(time.Duration(w.latest.Load())); latest.After(start) {
			since = latest
		}
		left := min(quiet-now.Sub(since), longestQuiet-now.Sub(start))
		if left <= 0 {
			return false, nil
		}
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
			continue
		case <-w.complete:
			over = true
		case <-w.ledger.all:
			over = true
		case <-ctx.Done():
		}
		timer.Stop()
		if over {
			err = pause(ctx, linger)
		} else {
			err = ctx.Err()
		}
		return over, err
	}
}

// wires groups targets by the interface and the source that they are asked from.
func wires(targets []*target, l *ledger, p *pacer) []*wire {
	var all []*wire
	for _, t := range targets {
		i := slices.IndexFunc(all, func(w *wire) bool {
			return w.path.link.index == t.path.link.index && w.path.source == t.path.source
		})
		if i < 0 {
			i = len(all)
			all = append(all, &wire{path: t.path, ledger: l, pacer: p, buffer: receiveBuffer})
		}
		all[i].targets = append(all[i].targets, t)
	}
	return all
}
