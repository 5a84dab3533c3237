package fakebmc

import (
	"encoding/binary"
	"net"
	"sync"
)

// wire is the socket of a BMC, where its answers can be tampered with.
type wire struct {
	conn *net.UDPConn
	// holds says whether the BMC still holds a session.
	holds func(session uint32) bool

	mu       sync.Mutex
	silent   bool
	tamper   func([]byte) [][]byte
	asked    int
	sessions map[uint32]bool // by the BMC's number, as its packets showed it
}

func (w *wire) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, from, err := w.conn.ReadFromUDP(b)
		if err != nil {
			return n, from, err
		}
		w.mu.Lock()
		w.asked++
		silent := w.silent
		w.mu.Unlock()
		if !silent {
			return n, from, nil
		}
	}
}

func (w *wire) WriteTo(b []byte, to net.Addr) (int, error) {
	w.mu.Lock()
	w.note(b)
	tamper := w.tamper
	w.mu.Unlock()
	answers := [][]byte{b}
	if tamper != nil {
		answers = tamper(b)
	}
	for _, a := range answers {
		if _, err := w.conn.WriteTo(a, to); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}

// note remembers the session that an RMCP+ Open Session Response (payload type
// 11h, IPMI 2.0 section 13.18) opens: its number is in bytes 8 to 11.
func (w *wire) note(b []byte) {
	const header = 4 + 12 // RMCP, session
	if len(b) < header+12 || b[4] != 0x06 || b[5]&0x3f != 0x11 || b[header+1] != 0 {
		return
	}
	if w.sessions == nil {
		w.sessions = map[uint32]bool{}
	}
	for id := range w.sessions {
		if !w.holds(id) {
			delete(w.sessions, id)
		}
	}
	w.sessions[binary.LittleEndian.Uint32(b[header+8:])] = true
}

func (w *wire) Close() error        { return w.conn.Close() }
func (w *wire) LocalAddr() net.Addr { return w.conn.LocalAddr() }
