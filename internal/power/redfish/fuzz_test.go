package redfish_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish"
	"github.com/pxe-pilot/pxe-pilot/internal/power/redfish/redfishtest"
)

// Whatever a BMC answers, a driver ends, in time, with a state or with one line
// that shows no password; and no action is sent twice for it.
func FuzzAnswers(f *testing.F) {
	const system, reset = "/redfish/v1/Systems/1", "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset"
	for _, seed := range []struct {
		path   string
		status int
		header string
		body   string
	}{
		{"/redfish/v1/", 200, "", `{"Systems":{"@odata.id":"/redfish/v1/Systems"}}`},
		{"/redfish/v1/", 200, "", `{"Systems":{"@odata.id":"/redfish/v1/"},"Links":{"Sessions":{"@odata.id":"//x"}}}`},
		{"/redfish/v1/Systems", 200, "", `{"Members":[{"@odata.id":"/redfish/v1/Systems/1"},{"@odata.id":7}]}`},
		{"/redfish/v1/Systems", 200, "", `{"Members@odata.nextLink":"?"}`},
		{system, 200, "W/\"1\"", `{"PowerState":"Off","Actions":{"#ComputerSystem.Reset":{"target":"` + reset + `","@Redfish.ActionInfo":"` + system + `"}}}`},
		{system, 200, "\x01", `{"Id":"1","PowerState":null,"@odata.etag":"\n"}`},
		{system, 401, "", `{"error":{"@Message.ExtendedInfo":[{"Message":"hunter2"}]}}`},
		{system, 412, "", ``},
		{reset, 503, "7", `{}`},
		{reset, 428, "", `{"error":[]}`},
		{reset, 307, system, ``},
		{"/redfish/v1/SessionService/Sessions", 201, "", `{}`},
	} {
		f.Add(seed.path, seed.status, seed.header, []byte(seed.body))
	}
	f.Fuzz(func(t *testing.T, path string, status int, header string, body []byte) {
		if status < 200 || status > 999 {
			return // the server itself would refuse to answer that
		}
		s := redfishtest.New(redfishtest.Options{Username: "user", Password: "hunter2", Plain: true, Conditional: true})
		defer s.Close()
		s.InFront(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.URL.Path != path {
				next.ServeHTTP(w, r)
				return
			}
			for _, name := range []string{"ETag", "Location", "Retry-After", "X-Auth-Token", "WWW-Authenticate"} {
				w.Header().Set(name, header)
			}
			w.WriteHeader(status)
			w.Write(body)
		})
		c := open(t, s, redfish.Options{Username: "user", Password: fixed("hunter2")})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		state, err := c.State(ctx)
		if err != nil && state != pxepilot.PowerUnknown || err == nil && state != pxepilot.PowerOn && state != pxepilot.PowerOff {
			t.Errorf("State = %q, %v", state, err)
		}
		for _, err := range []error{err, c.Do(ctx, pxepilot.ActionOn), c.BootNext(ctx, pxepilot.BootPXE, pxepilot.UEFI), c.Close()} {
			switch {
			case err == nil:
			case ctx.Err() != nil:
				t.Errorf("took too long: %v", err)
			case pxepilot.ErrorCode(err) != pxepilot.Conflict, strings.ContainsAny(err.Error(), "\n\r\x00\x1b"), len(err.Error()) > 1000:
				t.Errorf("%q", err)
			}
			for ; err != nil; err = errors.Unwrap(err) {
				if strings.Contains(err.Error(), "hunter2") && !strings.Contains(path+header, "hunter2") {
					t.Errorf("shows the password: %q", err)
				}
			}
		}
		resets := 0
		for _, r := range s.Requests() {
			if r.Method == http.MethodPost && r.Path == reset {
				resets++
			}
		}
		// Once as it is, once with the condition that the service asked for.
		if n := len(s.System("").Actions()); resets > 2 || n > 1 || n > 0 && path == reset {
			t.Errorf("%d resets were sent, %d carried out", resets, n)
		}
	})
}
