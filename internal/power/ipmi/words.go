package ipmi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

// What can go wrong beside the network (wire.go).
var (
	errPassword = errors.New("the BMC's proof does not fit the password")
	errKG       = errors.New("the BMC's proof does not fit the session key")
	errShort    = errors.New("the answer is too short")
)

// A setting is what is wrong on our side.
type setting struct{ what string }

func (e *setting) Error() string { return e.what }

// A refusal is the status with which a BMC ends a handshake (table 13-15).
type refusal struct {
	at     byte // payload type that carried it
	status byte
}

func (e *refusal) Error() string {
	return fmt.Sprintf("status %02Xh in payload type %02Xh", e.status, e.at)
}

// ofSuite says whether it is the cipher suite that is refused.
func (e *refusal) ofSuite() bool {
	return strings.IndexByte("\x04\x05\x06\x07\x10\x11", e.status) >= 0
}

// A completion is the code with which a BMC refuses a command (table 5-2).
type completion struct {
	command command
	code    byte
}

func (e *completion) Error() string {
	return fmt.Sprintf("completion code %02Xh", e.code)
}

// Unwrap tells what the BMC, or the machine behind it, has no way for.
func (e *completion) Unwrap() error {
	switch e.code {
	case 0xc1, 0xc2, 0xd6:
		return errors.ErrUnsupported
	case 0x80, 0xc9, 0xcc:
		if e.command.function == chassisControl.function {
			return errors.ErrUnsupported
		}
	}
	return nil
}

// unsure is an action whose answer did not come.
type unsure struct{ cause error }

func (e *unsure) Error() string { return e.cause.Error() }
func (e *unsure) Unwrap() error { return e.cause }

// busy is a turn that did not come.
type busy struct{ cause error }

func (e *busy) Error() string { return e.cause.Error() }
func (e *busy) Unwrap() error { return e.cause }

// unsupported is what the protocol has no way for.
type unsupported struct{ what string }

func (e *unsupported) Error() string { return e.what }
func (*unsupported) Unwrap() error   { return errors.ErrUnsupported }

func unknownTo(protocol, kind, what string) error {
	return &unsupported{fmt.Sprintf("%s has no %s %s", protocol, kind, pxepilot.Quote(what))}
}

// word makes of err the sentence for people: which host, which BMC, what, and
// what to do.
func word(p *place, user, what string, err error) *pxepilot.Error {
	where := p.address
	if p.port != Port {
		where = net.JoinHostPort(p.address, strconv.Itoa(p.port))
	}
	if p.address == "" {
		return pxepilot.Errorf(pxepilot.Conflict, "host %s: the address of its BMC is not known: %s",
			p.host, sentence(user, what, err)).Because(err)
	}
	return pxepilot.Errorf(pxepilot.Conflict, "host %s: BMC %s: %s", p.host, where, sentence(user, what, err)).Because(err)
}

func sentence(user, what string, err error) string {
	var (
		doubt *unsure
		wait  *busy
		quiet *silence
		away  *unreachable
		no    *refusal
		code  *completion
	)
	switch {
	case errors.As(err, &doubt):
		return fmt.Sprintf("gave no answer to %s, which may have been done all the same; ask for the state before trying again", what)
	case errors.As(err, &wait):
		return "is busy with another request; try again"
	case errors.Is(err, context.Canceled):
		return "was given up by the caller"
	case errors.As(err, &quiet) && quiet.heard > 0:
		return fmt.Sprintf("sent %d answers that make no sense within %s; check that a BMC that speaks IPMI 2.0 is at that address",
			quiet.heard, quiet.waited.Round(time.Millisecond))
	case errors.As(err, &quiet):
		return "does not answer; check its address, its power, and that IPMI over LAN is enabled"
	case errors.As(err, &away):
		return unreached(away)
	case errors.As(err, &no):
		return refused(no, user)
	case errors.As(err, &code):
		return fmt.Sprintf("refuses %s: %s (completion code %02Xh)", what, completed(code, user), code.code)
	case errors.Is(err, errPassword):
		return fmt.Sprintf("refuses the password of user %s; check username and password", pxepilot.Quote(user))
	case errors.Is(err, errKG):
		return "has a key K_G of its own, which is not supported; clear it in the BMC"
	case errors.Is(err, errShort):
		return fmt.Sprintf("answers %s with too few bytes; update its firmware", what)
	}
	return err.Error()
}

// unreached says what the network said.
func unreached(err *unreachable) string {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		return fmt.Sprintf("its name cannot be resolved (%s); check ipmi.hostname, or use an address", dns.Err)
	}
	cause := err.cause
	var op *net.OpError
	if errors.As(cause, &op) {
		cause = op.Err
	}
	var call *os.SyscallError
	if errors.As(cause, &call) {
		cause = call.Err
	}
	return fmt.Sprintf("cannot be reached (%s); check its address and port, and that IPMI over LAN is enabled", cause)
}

// refused says why a login was refused (table 13-15).
func refused(r *refusal, user string) string {
	name := pxepilot.Quote(user)
	switch r.status {
	case 0x01, 0x0b:
		return "has no free session; those that nobody ended do so after a minute"
	case 0x02, 0x08:
		return "lost the session while it was opened; try again"
	case 0x09, 0x0a:
		return fmt.Sprintf("does not let user %s act as operator; give the user that privilege on the LAN channel", name)
	case 0x0c, 0x0d:
		return fmt.Sprintf("does not know user %s; check username and password", name)
	case 0x0f:
		return fmt.Sprintf("refuses the password of user %s; check username and password", name)
	}
	if r.ofSuite() {
		return "refuses the cipher suite; set cipher_suite to the one that it has (17 or 3), or leave it out"
	}
	return fmt.Sprintf("refuses the login (status %02Xh)", r.status)
}

// completed says what a completion code means (table 5-2, and those of the
// commands in sections 22.18 and 28.12).
func completed(c *completion, user string) string {
	switch {
	case c.command == setPrivilege && c.code >= 0x80 && c.code <= 0x82:
		return fmt.Sprintf("user %s may not act as operator; give the user that privilege on the LAN channel", pxepilot.Quote(user))
	case c.command == setBootOptions && c.code == 0x80:
		return "it does not have that boot option"
	case c.command == setBootOptions && c.code == 0x81:
		return "someone else is setting boot options; try again"
	case c.command == setBootOptions && c.code == 0x82:
		return "that boot option cannot be written"
	}
	words := map[byte]string{
		0xc0: "it is busy; try again",
		0xc1: "it does not know the command",
		0xc2: "it does not know the command there",
		0xc3: "it took too long; try again",
		0xc4: "it is out of space",
		0xc5: "it lost its reservation; try again",
		0xc6: "the request was cut short",
		0xc7: "the request has another length than it wants",
		0xc8: "the request is too long",
		0xc9: "it does not have that",
		0xcc: "it does not have that",
		0xce: "it cannot answer",
		0xcf: "it has just been asked that",
		0xd0: "its data are being updated; try again",
		0xd1: "its firmware is being updated; try again later",
		0xd2: "it is still starting; try again",
		0xd3: "what should do it cannot be reached",
		0xd4: fmt.Sprintf("user %s lacks the privilege; give the user that of an operator", pxepilot.Quote(user)),
		0xd5: "not in the state that the machine is in; is it on?",
		0xd6: "that is disabled",
		0xff: "it does not say why",
	}
	if w, ok := words[c.code]; ok {
		return w
	}
	return "for a reason of its own"
}
