package ipmi

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

// Each status and each code has words; none is left to a number.
func TestWords(t *testing.T) {
	p := &place{host: "h2", address: "192.0.2.5", port: Port}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&refusal{payloadRAKP2, 0x01}, "has no free session; those that nobody ended do so after a minute"},
		{&refusal{payloadRAKP2, 0x02}, "lost the session while it was opened; try again"},
		{&refusal{payloadRAKP2, 0x0a}, `does not let user "u" act as operator; give the user that privilege on the LAN channel`},
		{&refusal{payloadRAKP2, 0x0d}, `does not know user "u"; check username and password`},
		{&refusal{payloadRAKP4, 0x0f}, `refuses the password of user "u"; check username and password`},
		{&refusal{payloadOpenResponse, 0x12}, "refuses the login (status 12h)"},
		{&completion{setPrivilege, 0x81}, `refuses power reset: user "u" may not act as operator; give the user that privilege on the LAN channel (completion code 81h)`},
		{&completion{setBootOptions, 0x80}, "refuses power reset: it does not have that boot option (completion code 80h)"},
		{&completion{chassisControl, 0xc0}, "refuses power reset: it is busy; try again (completion code C0h)"},
		{&completion{chassisControl, 0xd4}, `refuses power reset: user "u" lacks the privilege; give the user that of an operator (completion code D4h)`},
		{&completion{chassisControl, 0x7e}, "refuses power reset: for a reason of its own (completion code 7Eh)"},
		{errShort, "answers power reset with too few bytes; update its firmware"},
		{&unsure{&silence{}}, "gave no answer to power reset, which may have been done all the same; ask for the state before trying again"},
		{&busy{context.DeadlineExceeded}, "is busy with another request; try again"},
		{fmt.Errorf("x: %w", context.Canceled), "was given up by the caller"},
	} {
		err := word(p, "u", "power reset", tt.err)
		if got := strings.TrimPrefix(err.Error(), "host h2: BMC 192.0.2.5: "); got != tt.want {
			t.Errorf("%v: %q\nwant %q", tt.err, got, tt.want)
		}
		if err.Code != pxepilot.Conflict || !errors.Is(err, tt.err) {
			t.Errorf("%v: code %q, cause %v", tt.err, err.Code, err.Err)
		}
	}
	for status := range 0x13 {
		if s := refused(&refusal{payloadOpenResponse, byte(status)}, "u"); strings.ContainsAny(s, "\n%") || s == "" {
			t.Errorf("status %02Xh: %q", status, s)
		}
	}
}

// What a BMC does not have is told from what it does not do now.
func TestUnsupported(t *testing.T) {
	for _, tt := range []struct {
		err  *completion
		want bool
	}{
		{&completion{chassisControl, 0xc1}, true},
		{&completion{chassisControl, 0xcc}, true},
		{&completion{setBootOptions, 0x80}, true},
		{&completion{chassisControl, 0xc0}, false},
		{&completion{chassisControl, 0xd5}, false},
		{&completion{setPrivilege, 0x80}, false},
	} {
		if got := errors.Is(tt.err, errors.ErrUnsupported); got != tt.want {
			t.Errorf("command %02Xh, code %02Xh: unsupported is %v, want %v", tt.err.command.number, tt.err.code, got, tt.want)
		}
	}
}
