package house

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/pxe-pilot/pxe-pilot"

// A room is a directory of packages and what it may import of the module, by
// the same names: "." is the root package, "x/..." is x and everything below.
// A room may always import what is below itself.
type room struct {
	dir   string
	may   []string
	tests []string // what its tests may import besides
	why   string
}

// everything is what the one place that wires it all may import, and what tests
// of the whole may.
var everything = []string{"./..."}

// rooms is the plan of the house. The most exact entry counts.
var rooms = []room{
	{".", nil, nil, "the nouns live at the root and do no I/O; whoever imports them gets nothing else"},
	{"apiv1", nil, nil, "the wire types are what server and client share, and nothing of either"},
	{"client", []string{".", "apiv1"}, nil, "programs of others import it; it speaks the contract and knows nothing of the server"},
	{"cmd/pxe-pilot", []string{"internal/app"}, nil, "main is a few lines; what it does is a value that a test can start"},
	{"internal/app", everything, nil, "the one place that sees everything and wires it"},
	{"internal/pilot", []string{"."}, nil, "every rule is here, once, and does no I/O; it declares the interfaces that it needs"},
	{"internal/config", []string{".", "internal/tftproot/layout"}, nil, "it reads one file and checks names; app hands out what it read"},
	{"internal/inventory", []string{"."}, nil, adapter},
	{"internal/tftproot", []string{"."}, nil, adapter},
	{"internal/tftproot/layout", []string{"."}, nil, "names are computed purely; I/O happens elsewhere"},
	{"internal/tftp", []string{"."}, nil, adapter},
	{"internal/program", []string{"."}, nil, "whoever runs a program of the user's own does it with the same care; it knows nothing of what for"},
	{"internal/power", []string{"."}, nil, adapter},
	{"internal/power/ipmi", []string{"."}, []string{"internal/power/powertest", "internal/power/fakebmc"}, driver},
	{"internal/power/redfish", []string{"."}, []string{"internal/power/powertest"}, driver},
	{"internal/power/command", []string{".", "internal/program"}, []string{"internal/power/powertest"}, driver},
	{"internal/power/wol", []string{"."}, []string{"internal/power/powertest"}, driver},
	{"internal/power/fakebmc", []string{"."}, nil, "it stands in for hardware, which knows no driver"},
	{"internal/power/powertest", []string{"."}, nil, "one suite for every driver knows none of them"},
	{"internal/credential", []string{"."}, nil, adapter},
	{"internal/neighbour", []string{"."}, nil, adapter},
	{"internal/journal", []string{"."}, nil, adapter},
	{"internal/auth", []string{"."}, nil, adapter},
	{"internal/metrics", nil, nil, "names and one registry; what is measured is wrapped in app"},
	{"internal/httpapi", []string{".", "apiv1", "internal/pilot"}, nil, edge},
	{"internal/webui", []string{".", "internal/pilot"}, nil, edge},
	{"internal/cli", []string{".", "apiv1", "client"}, nil,
		"it does over the API whatever it does; what runs locally reaches it as functions"},
	{"internal/testenv", nil, nil, "every test may need it"},
	{"internal/house", nil, nil, "it looks at the house from outside"},
	{"packaging", nil, nil, "files, and tests of files"},
	{"e2e", everything, nil, "the lab sees the whole"},
	{"bench", everything, nil, "benchmarks see the whole"},
}

const (
	adapter = "adapters know the nouns only: never each other, never the use cases, so that each can be replaced and tested alone"
	driver  = "drivers know the nouns only, so that one suite fits them all"
	edge    = "edges translate between the outside and the use cases; an adapter reached from here would go around the rules"
)

// bans are of single packages, whoever imports them.
var bans = []struct {
	imported string
	by       []string // who may all the same, "test" for tests
	why      string
}{
	{"internal/testenv", []string{"e2e/lab", "test"}, "it is about the machine that tests run on"},
	{"internal/power/powertest", []string{"test"}, "a suite of tests has no place in the program"},
	{"internal/power/fakebmc", []string{"internal/app", "e2e/lab", "test"}, "the demo site and the lab alone have BMCs that are none"},
	{"internal/config", []string{"internal/app", "test"}, "app alone reads the file and hands each package plain arguments"},
	{"internal/app", []string{"cmd/pxe-pilot", "test"}, "nothing that is wired may know who wires it"},
	{"internal/tftproot", []string{"internal/app", "test"}, "the TFTP root is reached through the use cases only"},
}

func TestDirections(t *testing.T) {
	files := 0
	for name := range sources(t) {
		files++
		for _, imported := range imports(t, name) {
			if problem := check(name, imported); problem != "" {
				t.Errorf("%s %s", name, problem)
			}
		}
	}
	if files < 10 {
		t.Errorf("saw %d Go files only; the test looks at the wrong place", files)
	}
}

// check says what is wrong with an import of a file, or nothing.
func check(file, imported string) string {
	dir, test := path.Dir(file), strings.HasSuffix(file, "_test.go")
	r, ok := roomOf(dir)
	if !ok {
		return "is in a room that has no plan: say in internal/house what it may import, and why"
	}
	inner, ours := within(imported)
	if !ours {
		if first, _, _ := strings.Cut(imported, "/"); dir == "." && !test && strings.Contains(first, ".") {
			return fmt.Sprintf("imports %s, but the root package imports only the standard library: %s", imported, r.why)
		}
		return ""
	}
	for _, b := range bans {
		if b.imported == inner && dir != inner && !slices.Contains(b.by, dir) && !(test && slices.Contains(b.by, "test")) {
			return fmt.Sprintf("imports %s: %s", inner, b.why)
		}
	}
	may := append([]string{dir, r.dir + "/..."}, r.may...)
	if r.dir == "." {
		may = []string{"."}
	}
	if test {
		may = append(append(may, r.tests...), "internal/testenv")
	}
	for _, m := range may {
		if covers(m, inner) {
			return ""
		}
	}
	return fmt.Sprintf("imports %s: %s", inner, r.why)
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct{ file, imported, want string }{
		{"mac.go", "encoding/hex", ""},
		{"mac.go", "github.com/google/go-cmp/cmp", "only the standard library"},
		{"mac.go", module + "/apiv1", "the nouns live at the root"},
		{"mac_test.go", "github.com/google/go-cmp/cmp", ""},
		{"mac_test.go", module, ""},
		{"mac_test.go", module + "/internal/tftproot", "the nouns live at the root"},
		{"internal/tftproot/view.go", module, ""},
		{"internal/tftproot/view.go", module + "/internal/tftproot/layout", ""},
		{"internal/tftproot/view.go", module + "/internal/pilot", "adapters know the nouns only"},
		{"internal/tftproot/view.go", module + "/internal/inventory", "adapters know the nouns only"},
		{"internal/tftproot/view_test.go", module + "/internal/testenv", ""},
		{"internal/tftproot/view.go", module + "/internal/testenv", "the machine that tests run on"},
		{"internal/tftproot/layout/layout.go", module + "/internal/tftproot", "reached through the use cases only"},
		{"internal/pilot/pilot.go", module + "/internal/tftproot", "reached through the use cases only"},
		{"internal/pilot/pilot_test.go", module + "/internal/tftproot", "does no I/O"},
		{"internal/config/config.go", module + "/internal/tftproot/layout", ""},
		{"internal/httpapi/routes.go", module + "/internal/pilot", ""},
		{"internal/httpapi/routes.go", module + "/internal/config", "app alone reads the file"},
		{"internal/httpapi/routes.go", module + "/internal/inventory", "would go around the rules"},
		{"internal/cli/host.go", module + "/client", ""},
		{"internal/cli/host.go", module + "/internal/pilot", "over the API"},
		{"internal/power/ipmi/ipmi.go", module + "/internal/power/redfish", "one suite fits them all"},
		{"internal/power/power.go", module + "/internal/power/ipmi", ""},
		{"internal/app/app.go", module + "/internal/tftproot", ""},
		{"internal/app/app.go", module + "/internal/power/powertest", "no place in the program"},
		{"internal/cellar/wine.go", "fmt", "has no plan"},
	} {
		got := check(tt.file, tt.imported)
		if (tt.want == "") != (got == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s imports %s: got %q, want %q", tt.file, tt.imported, got, tt.want)
		}
	}
}

func TestRoomsStandOnce(t *testing.T) {
	var dirs []string
	for _, r := range rooms {
		dirs = append(dirs, r.dir)
		if r.why == "" {
			t.Errorf("%s says no reason", r.dir)
		}
	}
	slices.Sort(dirs)
	if diff := cmp.Diff(slices.Compact(slices.Clone(dirs)), dirs); diff != "" {
		t.Errorf("rooms stand twice:\n%s", diff)
	}
}

// roomOf finds the most exact room of a directory.
func roomOf(dir string) (room, bool) {
	for d := dir; ; d = path.Dir(d) {
		if i := slices.IndexFunc(rooms, func(r room) bool { return r.dir == d }); i >= 0 && (d != "." || dir == ".") {
			return rooms[i], true
		}
		if d == "." {
			return room{}, false
		}
	}
}

// within returns the directory of an imported package of this module.
func within(imported string) (string, bool) {
	if imported == module {
		return ".", true
	}
	return strings.CutPrefix(imported, module+"/")
}

func covers(pattern, dir string) bool {
	if pattern == "./..." {
		return true
	}
	if above, ok := strings.CutSuffix(pattern, "/..."); ok {
		return dir == above || strings.HasPrefix(dir, above+"/")
	}
	return pattern == dir
}

func imports(t *testing.T, name string) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(top, filepath.FromSlash(name)), nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, spec := range f.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// top is the top of the source tree, seen from this package.
const top = "../.."

// notSource are directories that hold nothing of the program's own: what git
// ignores, and the linters' module, which is none of ours.
var notSource = []string{".git", ".bin", "dist", "tools", "testdata"}

// sources yields all Go files of the module, by their slash-separated names.
func sources(t *testing.T) func(yield func(string) bool) {
	t.Helper()
	return func(yield func(string) bool) {
		err := filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && slices.Contains(notSource, d.Name()):
				return fs.SkipDir
			case d.IsDir() || !strings.HasSuffix(name, ".go"):
				return nil
			}
			rel, err := filepath.Rel(top, name)
			if err == nil && !yield(filepath.ToSlash(rel)) {
				return fs.SkipAll
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
