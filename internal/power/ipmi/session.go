package ipmi

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"errors"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// The privilege level Operator (table 6-10) may switch and set boot options;
// nothing here needs more. In RAKP message 1 the bit says that the user is
// looked up by name alone.
const (
	operator = 0x03
	nameOnly = 0x10
)

// A session is a login at a BMC.
type session struct {
	wire  *wire
	keys  keys
	ours  [4]byte // the session's number in what the BMC sends
	bmcs  [4]byte // and in what it is sent
	fresh bool    // it was opened by the call that uses it
	used  time.Time

	sent     uint32 // session sequence number of the last datagram
	seen     uint32 // and of the last one that came
	sequence byte   // of the last message, below 64
}

// login opens a session (section 13.15). The optional question before it, what
// the BMC can, is left out: what it cannot it says.
func login(ctx context.Context, p *place, s *suite, user string, password func() (pxepilot.Secret, error)) (*session, error) {
	h := &handshake{suite: s, role: nameOnly | operator, user: user}
	var err error
	if h.password, err = password(); err != nil {
		return nil, &setting{"its password cannot be had: " + err.Error()}
	}
	switch {
	case len(user) > 16: // section 22.28
		return nil, &setting{"the user name is longer than the 16 bytes that IPMI takes"}
	case len(h.password.Reveal()) > 20: // section 22.30
		return nil, &setting{"the password is longer than the 20 bytes that IPMI takes"}
	}
	w, err := dial(ctx, p.address, p.port)
	if err != nil {
		return nil, err
	}
	in := &session{wire: w, fresh: true, used: time.Now()}
	if err := in.enter(ctx, h); err != nil {
		w.close()
		return nil, err
	}
	if _, err := in.ask(ctx, setPrivilege, operator); err != nil {
		in.leave()
		return nil, err
	}
	return in, nil
}

// enter goes through the handshake.
func (s *session) enter(ctx context.Context, h *handshake) error {
	_, _ = rand.Read(h.console[:]) // never fails
	h.console[0] |= 1              // zero is no number
	_, _ = rand.Read(h.consoleRand[:])

	// Section 13.17: privilege 0 asks for the highest that the suite allows.
	b, err := s.shake(ctx, payloadOpenRequest, payloadOpenResponse, 36, append([]byte{0, 0, 0, 0},
		append(h.console[:],
			0, 0, 0, 8, h.suite.authentication, 0, 0, 0,
			1, 0, 0, 8, h.suite.integrity, 0, 0, 0,
			2, 0, 0, 8, h.suite.confidentiality, 0, 0, 0)...), h.console)
	if err != nil {
		return err
	}
	h.bmc = [4]byte(b[8:])
	// A BMC that chooses other algorithms than those proposed could choose none.
	if b[16] != h.suite.authentication || b[24] != h.suite.integrity || b[32] != h.suite.confidentiality || h.bmc == [4]byte{} {
		return &refusal{payloadOpenResponse, 0x11}
	}

	b, err = s.shake(ctx, payloadRAKP1, payloadRAKP2, 40+h.suite.hash().Size(), append([]byte{0, 0, 0, 0},
		append(h.bmc[:], append(h.consoleRand[:], append([]byte{h.role, 0, 0, byte(len(h.user))}, h.user...)...)...)...), h.console)
	if err != nil {
		return err
	}
	copy(h.bmcRand[:], b[8:])
	copy(h.guid[:], b[24:])
	if !hmac.Equal(b[40:][:h.suite.hash().Size()], h.proof2()) {
		// Status 0Fh in RAKP message 3 lets the BMC forget the session.
		s.wire.tell(plain(payloadRAKP3, append([]byte{0, 0x0f, 0, 0}, h.bmc[:]...)))
		return errPassword
	}

	b, err = s.shake(ctx, payloadRAKP3, payloadRAKP4, 8+h.suite.short,
		append([]byte{0, 0, 0, 0}, append(h.bmc[:], h.proof3()...)...), h.console)
	if err != nil {
		return err
	}
	master := h.master()
	s.keys, s.ours, s.bmcs = h.derive(master), h.console, h.bmc
	if !hmac.Equal(b[8:][:h.suite.short], h.proof4(master)) {
		// The password was proven by message 2, so that it must be the key.
		return errKG
	}
	return nil
}

// shake sends a message of the handshake until its answer comes, which is at
// least size bytes unless it is a refusal. Both begin with a tag, which tells
// an answer to an earlier try from one to this; the BMC chooses anew each time.
func (s *session) shake(ctx context.Context, out, in byte, size int, message []byte, console [4]byte) ([]byte, error) {
	var got []byte
	err := s.wire.ask(ctx, tries, wait, func() []byte {
		message[0]++
		return plain(out, message)
	}, func(b []byte) (bool, error) {
		_, b, _, ok := body(b, in, [4]byte{})
		switch {
		case !ok || len(b) < 2 || b[0] != message[0]:
			return false, nil
		case b[1] != 0: // some cut their refusals short
			return true, &refusal{in, b[1]}
		case len(b) < size || [4]byte(b[4:]) != console:
			return false, nil
		}
		got = append(got, b...)
		return true, nil
	})
	return got, err
}

// ask asks for a command that may be repeated. A session that was kept is not
// asked twice, for the BMC may have lost it: a new one finds out.
func (s *session) ask(ctx context.Context, c command, data ...byte) ([]byte, error) {
	n := tries
	if !s.fresh {
		n = 1
	}
	return s.exchange(ctx, n, wait, c, data)
}

// once asks for a command by a single datagram.
func (s *session) once(ctx context.Context, c command, data ...byte) error {
	_, err := s.exchange(ctx, 1, actionWait, c, data)
	return err
}

func (s *session) exchange(ctx context.Context, n int, each time.Duration, c command, data []byte) (got []byte, err error) {
	s.sequence = (s.sequence + 1) % 64
	m := message(c, s.sequence, data)
	err = s.wire.ask(ctx, n, each, func() []byte {
		// A number that the BMC has seen would be dropped by it (section 6.12.13).
		s.sent++
		return s.keys.seal(s.bmcs, s.sent, m)
	}, func(b []byte) (bool, error) {
		number, m, ok := s.keys.unseal(s.ours, b)
		if !ok || number <= s.seen { // or it is an old one, sent again by someone
			return false, nil
		}
		s.seen = number
		code, data, ok := answer(m, c, s.sequence)
		if !ok {
			return false, nil
		}
		s.used = time.Now()
		if code != 0 {
			return true, &completion{c, code}
		}
		got = append([]byte{}, data...)
		return true, nil
	})
	return got, err
}

// status reads bit 0 of the current power state (table 28-3).
func (s *session) status(ctx context.Context) (pxepilot.PowerState, error) {
	data, err := s.ask(ctx, chassisStatus)
	switch {
	case err != nil:
		return pxepilot.PowerUnknown, err
	case len(data) < 3:
		return pxepilot.PowerUnknown, errShort
	case data[0]&1 != 0:
		return pxepilot.PowerOn, nil
	}
	return pxepilot.PowerOff, nil
}

// devices are the boot devices as the boot flags select them (table 28-14,
// parameter 5, data 2, bits 5:2).
var devices = map[pxepilot.BootDevice]byte{
	pxepilot.BootPXE:   0x1,
	pxepilot.BootDisk:  0x2,
	pxepilot.BootSetup: 0x6,
}

// Parameters of the boot options, and bits of the boot flags (table 28-14).
const (
	bootFlagClearing = 3
	bootAcknowledge  = 4
	bootFlags        = 5

	flagsValid = 0x80
	flagEFI    = 0x20
)

// bootNext sets the boot flags for the next boot only.
func (s *session) bootNext(ctx context.Context, device byte, f pxepilot.Firmware) error {
	for _, optional := range [][]byte{
		// Keep the flags when no chassis control follows within 60 s: the next
		// boot may be started by hand.
		{bootFlagClearing, 0x08},
		// Take back that the firmware has handled earlier flags, as ipmitool does.
		{bootAcknowledge, 0x01, 0x01},
	} {
		// Many BMCs do not know these, and those then do not need them.
		if _, err := s.ask(ctx, setBootOptions, optional...); err != nil && !isCompletion(err) {
			return err
		}
	}
	var efi byte
	switch f {
	case pxepilot.UEFI:
		efi = flagEFI
	case pxepilot.BIOS:
	default:
		// IPMI has no word for "as you like": what was set last stays.
		now, err := s.ask(ctx, getBootOptions, bootFlags, 0, 0)
		if err != nil && !isCompletion(err) {
			return err
		}
		if len(now) >= 3 {
			efi = now[2] & flagEFI
		}
	}
	_, err := s.ask(ctx, setBootOptions, bootFlags, flagsValid|efi, device<<2, 0, 0, 0)
	return err
}

// logout ends the session at the BMC, as long as it answers at once.
func (s *session) logout() {
	_, _ = s.exchange(context.Background(), 1, wait, closeSession, s.bmcs[:])
}

// leave ends a session that may be gone already.
func (s *session) leave() {
	s.sequence = (s.sequence + 1) % 64
	s.sent++
	s.wire.tell(s.keys.seal(s.bmcs, s.sent, message(closeSession, s.sequence, s.bmcs[:])))
	s.wire.close()
}

func isCompletion(err error) bool {
	var c *completion
	return errors.As(err, &c)
}
