package cli_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot/internal/cli"
)

// TestWaves looks at what is asked for, and when.
func TestWaves(t *testing.T) {
	for _, tt := range []struct {
		args  string
		asked []string
	}{
		{"config deploy local r01 r02 --now", []string{"0s switch r01! r02!"}},
		{"config deploy local r01 r02 --now --batch 2", []string{"0s switch r01! r02!"}},
		{"config deploy local r01 r02 --now --batch 2 --switch-first", []string{"0s switch r01! r02!"}},
		{"config deploy local r01 r02 r03 r04 r05 --now --batch 2", []string{
			"0s switch r01 r02 r03 r04 r05 (dry run)", "0s switch r01! r02!", "10s switch r03! r04!", "20s switch r05!"}},
		{"config deploy local 00:00:00:00:01:01 r02 --now --batch 1 --pause 1m", []string{
			"0s switch 00:00:00:00:01:01 r02 (dry run)", "0s switch r01!", "1m0s switch r02!"}},
		{"config deploy local r01 r02 r03 --now --batch 2 --pause 0s --switch-first", []string{
			"0s switch r01 r02 r03", "0s switch r01 r02 r03 (dry run)", "0s switch r01! r02!", "0s switch r03!"}},
		{"config deploy local r01 r02 --now --dry-run --batch 1", []string{"0s switch r01 r02 (dry run)"}},
		{"config deploy local " + rack(1, 18) + " --now --batch 17", []string{
			"0s switch " + rack(1, 18) + " (dry run)", "0s switch " + rack(1, 17, "!") + " (all at once)", "10s switch r18!"}},
		{"config deploy local " + rack(1, 17) + " --now --all-at-once", []string{"0s switch " + rack(1, 17, "!") + " (all at once)"}},
		{"config deploy local r19 r01 --now --batch 1", []string{"0s switch r19 r01 (dry run)", "0s switch r19!"}},
		{"config deploy local r19 r01 --now --batch 1 --max-fail 1", []string{"0s switch r19 r01 (dry run)", "0s switch r19!", "10s switch r01!"}},
		{"host on r01 r02 r03 --batch 2 --next pxe", []string{"0s r01/on?next=pxe", "0s r02/on?next=pxe", "10s r03/on?next=pxe"}},
		{"host off r01 00:00:00:00:01:02 --batch 1 --pause 90s --soft", []string{"0s r01/off?soft=true", "1m30s r02/off?soft=true"}},
		{"host reboot r19 r01 r02 --batch 1 --max-fail 1", []string{"0s r19/reboot", "10s r01/reboot", "20s r02/reboot"}},
		{"host cycle r19 r01 r02 --batch 2", []string{"0s r01/cycle", "0s r19/cycle"}},
		{"host status " + rack(1, 20), nil},
	} {
		got := inBubble(t, newFakeRack(), cli.IO{}, tt.args, nil)
		if diff := cmp.Diff(tt.asked, got.asked); diff != "" {
			t.Errorf("%s:\n%s\n%s", tt.args, diff, got.stderr)
		}
	}
}

// rack is the names of hosts of the rack.
func rack(from, to int, suffix ...string) string {
	var names []string
	for n := from; n <= to; n++ {
		names = append(names, fmt.Sprintf("r%02d", n)+strings.Join(suffix, ""))
	}
	return strings.Join(names, " ")
}

// TestCtrlC stops in all places that there are, and wants to be told what was
// done and what was not.
func TestCtrlC(t *testing.T) {
	const waves = "config deploy ubuntu-16.04 r01 r02 r03 r04 r05 --now --batch 2 --max-fail 1"
	const power = "host on r01 r02 r03 r04 r05 --batch 2"
	const doubt = "hint: it may have been done nevertheless: 'pxe-pilot host list' shows it\n"
	const powerDoubt = "hint: it may have been done nevertheless: 'pxe-pilot host status HOST...' shows it\n"
	const plan = "note: 5 hosts in 3 waves of up to 2, 10s apart; no further wave once 2 hosts have failed\n"
	const powerPlan = "note: 5 hosts in 3 waves of up to 2, 10s apart; no further wave once a host has failed\n"
	for _, tt := range []struct {
		name, args     string
		at             string // the request during which it is pressed; "pause": after the first wave
		stdout, stderr string
	}{
		{"before anything", waves, "dry run", "", "error: interrupted\n"},
		{"a dry run", "config deploy local r01 --dry-run", "dry run", "", "error: interrupted\n"},
		{"one wave", "config deploy local r01 r02 --now", "r01!", "", "error: interrupted\n" + doubt},
		{"between", waves, "pause", `
+------+---------------+----------+
| NAME | CONFIGURATION | REBOOTED |
+------+---------------+----------+
| r01  | ubuntu-16.04  | YES      |
| r02  | ubuntu-16.04  | YES      |
+------+---------------+----------+
`, plan + "note: not reached: r03, r04, r05\nerror: interrupted\n"},
		{"in a wave", waves, "r03!", `
+------+---------------+----------+
| NAME | CONFIGURATION | REBOOTED |
+------+---------------+----------+
| r01  | ubuntu-16.04  | YES      |
| r02  | ubuntu-16.04  | YES      |
| r03  |               | ERROR    |
| r04  |               | ERROR    |
+------+---------------+----------+
`, plan + `error: host "r03": no answer came; it may have been done nevertheless
error: host "r04": no answer came; it may have been done nevertheless
note: not reached: r05
error: interrupted
` + doubt},
		{"in a wave of hosts that are switched", waves + " --switch-first", "r03!", `
+------+---------------+----------+
| NAME | CONFIGURATION | REBOOTED |
+------+---------------+----------+
| r01  | ubuntu-16.04  | YES      |
| r02  | ubuntu-16.04  | YES      |
| r03  | ubuntu-16.04  | ERROR    |
| r04  | ubuntu-16.04  | ERROR    |
| r05  | ubuntu-16.04  | NO       |
+------+---------------+----------+
`, strings.Replace(plan, "note: ", "note: all hosts are switched first; then ", 1) + `error: host "r03": no answer came; it may have been done nevertheless
error: host "r04": no answer came; it may have been done nevertheless
note: switched, but not rebooted: r05
error: interrupted
` + doubt},
		{"while switching", waves + " --switch-first", "switch r01 r02 r03 r04 r05", "",
			strings.Replace(plan, "note: ", "note: all hosts are switched first; then ", 1) + "error: interrupted\n" + doubt},
		{"power, before anything", power, "GET", "", "error: interrupted\n"},
		{"power, one host", "host on r01", "r01/on", "", "error: interrupted\n" + powerDoubt},
		{"power, first wave", power, "r01/on", "", powerPlan + "note: not reached: r03, r04, r05\nerror: interrupted\n" + powerDoubt},
		{"power, between", power, "pause", `
+------+--------+
| NAME | RESULT |
+------+--------+
| r01  | On     |
| r02  | On     |
+------+--------+
`, powerPlan + "note: not reached: r03, r04, r05\nerror: interrupted\n"},
		{"power, last wave", power, "r05/on", `
+------+--------+
| NAME | RESULT |
+------+--------+
| r01  | On     |
| r02  | On     |
| r03  | On     |
| r04  | On     |
| r05  | ERROR  |
+------+--------+
`, powerPlan + "error: host \"r05\": no answer came; it may have been done nevertheless\nerror: interrupted\n" + powerDoubt},
		{"status", "host status r01", "GET", "", "error: interrupted\n"},
		{"discovery", "discover", "/v1/discovery", "", "error: interrupted\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var once sync.Once
			got := inBubble(t, newFakeRack(), cli.IO{}, tt.args, func(line string, r *http.Request, stop func()) {
				switch {
				case tt.at == "pause" && (strings.HasSuffix(line, "!") || strings.HasSuffix(line, "on")):
					once.Do(func() { time.AfterFunc(5*time.Second, stop) })
				case tt.at == "GET" && r.Method == tt.at, tt.at != "GET" && strings.Contains(line, tt.at) && !strings.Contains(line, "dry run"),
					tt.at == "dry run" && strings.Contains(line, tt.at):
					<-time.After(time.Second) // so that the whole wave is under way
					stop()
					<-r.Context().Done()
				case tt.at != "pause" && strings.HasSuffix(line, "on") && tt.at == "r01/on":
					<-r.Context().Done() // the other one of the wave has no answer either
				}
			})
			if got.status != 1 {
				t.Errorf("exit status %d", got.status)
			}
			if diff := cmp.Diff(strings.TrimPrefix(tt.stdout, "\n"), got.stdout); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.stderr, got.stderr); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestLostInTheMiddle has the server go away, or turn hostile, during the second
// wave.
func TestLostInTheMiddle(t *testing.T) {
	const deploy = "config deploy ubuntu-16.04 r01 r02 r03 --now --batch 1"
	const power = "host reboot r01 r02 r03 --batch 1"
	lost := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	forbidden := refusing(http.StatusForbidden, "who are you?")
	gone := refusing(http.StatusNotFound, `configuration "ubuntu-16.04" not found`)
	for _, tt := range []struct {
		args   string
		second http.Handler
		status int
		stdout string // the second line of the table
		stderr []string
	}{
		{deploy, lost, 5, "| r02  |               | ERROR    |", []string{`error: host "r02": no answer came`, "note: not reached: r03\n", "error: no answer from ", "'pxe-pilot host list' shows it"}},
		{deploy, forbidden, 6, "", []string{"note: not reached: r02, r03\n", "error: who are you?\n"}},
		{deploy, gone, 3, "", []string{"note: not reached: r02, r03\n", "error: configuration"}},
		{power, lost, 5, "| r02  | ERROR    |", []string{`error: host "r02": no answer came`, "note: not reached: r03\n", "error: no answer from ", "'pxe-pilot host status HOST...' shows it"}},
		{power, forbidden, 6, "", []string{"note: not reached: r02, r03\n", "error: who are you?\n"}},
		{power, gone, 1, "| r02  | ERROR    |", []string{`error: host "r02": configuration`, "note: not reached: r03\n", "error: stopped after wave 2 of 3"}},
	} {
		site, lines := newFakeRack(), 0
		handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			r.Body = io.NopCloser(bytes.NewReader(body))
			if r.Method == http.MethodPatch || bytes.Contains(body, []byte(`"reboot":true`)) {
				if lines++; lines == 2 {
					tt.second.ServeHTTP(w, r)
					return
				}
			}
			site.ServeHTTP(w, r)
		})
		got := inBubble(t, handler, cli.IO{}, tt.args, nil)
		if got.status != tt.status || !strings.Contains(got.stdout, "\n| r01  |") || !strings.Contains(got.stdout, tt.stdout) ||
			strings.Contains(got.stdout, "r02") != (tt.stdout != "") {
			t.Errorf("%s: exit status %d, want %d, and %q in\n%s", tt.args, got.status, tt.status, tt.stdout, got.stdout)
		}
		for _, want := range tt.stderr {
			if !strings.Contains(got.stderr, want) {
				t.Errorf("%s: no %q in\n%s", tt.args, want, got.stderr)
			}
		}
		if strings.Contains(got.stderr, "nevertheless") != (tt.status == 5) {
			t.Errorf("%s: %s", tt.args, got.stderr)
		}
	}
}
