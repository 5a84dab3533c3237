package ipmi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"
)

// How long things may take. A BMC on a LAN answers within milliseconds, a busy
// one within tens of them.
const (
	// wait is for one answer, and tries how often is asked for it.
	wait  = 500 * time.Millisecond
	tries = 2
	// patience is for a whole login.
	patience = 2 * time.Second
	// actionWait is for the answer to an action, which is sent once only, to a
	// BMC that has answered just before; some answer when the machine has
	// followed.
	actionWait = 5 * time.Second
)

// A wire is a socket that hears one BMC only.
type wire struct {
	conn net.Conn
	in   [1024]byte // no answer that is asked for is longer
}

// dial resolves the address and connects, so that the kernel drops what others
// send and tells when nobody listens.
func dial(ctx context.Context, address string, port int) (*wire, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "udp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		if ctx.Err() != nil {
			return nil, giveUp(ctx, 0, 0)
		}
		return nil, &unreachable{err}
	}
	return &wire{conn: conn}, nil
}

func (w *wire) close() { _ = w.conn.Close() }

// ask sends a datagram and waits until read takes one that arrives; after each
// each it sends another one, up to n. read is given every datagram: it says
// whether that was the answer, and its error ends the waiting as well.
func (w *wire) ask(ctx context.Context, n int, each time.Duration, send func() []byte, read func([]byte) (bool, error)) error {
	// A deadline in the past wakes a read that waits.
	stop := context.AfterFunc(ctx, func() { _ = w.conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	began, heard := time.Now(), 0
	for range n {
		if ctx.Err() != nil {
			return giveUp(ctx, time.Since(began), heard)
		}
		if _, err := w.conn.Write(send()); err != nil {
			return &unreachable{err}
		}
		until := time.Now().Add(each)
		if end, ok := ctx.Deadline(); ok && end.Before(until) {
			until = end
		}
		_ = w.conn.SetReadDeadline(until)
		for {
			// The deadline that was just set may have replaced that of the past.
			if ctx.Err() != nil {
				return giveUp(ctx, time.Since(began), heard)
			}
			size, err := w.conn.Read(w.in[:])
			if errors.Is(err, os.ErrDeadlineExceeded) {
				break
			}
			if err != nil {
				return &unreachable{err}
			}
			heard++
			if done, err := read(w.in[:size]); done || err != nil {
				return err
			}
		}
	}
	if ctx.Err() != nil {
		return giveUp(ctx, time.Since(began), heard)
	}
	return &silence{time.Since(began), heard, nil}
}

// tell sends a datagram whose answer nobody waits for.
func (w *wire) tell(b []byte) { _, _ = w.conn.Write(b) }

// giveUp is why waiting ended with the context: a deadline is the same to the
// caller as a BMC that is silent.
func giveUp(ctx context.Context, waited time.Duration, heard int) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &silence{waited, heard, ctx.Err()}
	}
	return ctx.Err()
}

// silence is a BMC that said nothing, or nothing that is an answer.
type silence struct {
	waited time.Duration
	heard  int // datagrams that were none
	cause  error
}

func (e *silence) Error() string {
	return fmt.Sprintf("no answer within %s, %d datagrams that are none", e.waited.Round(time.Millisecond), e.heard)
}

func (e *silence) Unwrap() error { return e.cause }

// Timeout tells those who know nothing of IPMI what this is.
func (e *silence) Timeout() bool { return true }

// unreachable is what the network says in place of the BMC.
type unreachable struct{ cause error }

func (e *unreachable) Error() string { return e.cause.Error() }
func (e *unreachable) Unwrap() error { return e.cause }

// lost says whether an error means that the BMC does not hear, or that it has
// forgotten the session: it answers nothing then.
func lost(err error) bool {
	var s *silence
	var u *unreachable
	return errors.As(err, &s) || errors.As(err, &u)
}
