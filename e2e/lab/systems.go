package lab

import (
	_ "embed" // the sources of what machines boot
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
)

// What machines of the lab boot, in assembly.
var (
	//go:embed testdata/mark.asm
	markSource string
	//go:embed testdata/mark-arm64.s
	markARMSource string
	//go:embed testdata/disk.asm
	diskSource string
	//go:embed testdata/say.inc
	saySource string
)

// putSystems puts what machines boot into the TFTP root: "mark", the kernel that
// says how it was called, by BIOS or by UEFI, and "disk", the first sector of a disk
// that says "marker=disk", for installers.
func (s *BootSite) putSystems(t testing.TB) {
	t.Helper()
	assemble(t, markSource, filepath.Join(s.Root, "mark"))
	assemble(t, diskSource, filepath.Join(s.Root, "disk"))
}

// Install makes the disk of the machine one that boots.
func (m *Machine) Install(t testing.TB) {
	t.Helper()
	sector := Read(t, filepath.Join(m.site.Root, "disk"))
	Write(t, m.Disk, sector+string(make([]byte, 1<<20-len(sector))))
}

// PutARM puts the marker kernel for ARM into a folder of the root.
func (s *BootSite) PutARM(t testing.TB, folder string) {
	t.Helper()
	testenv.Need(t, "aarch64-linux-gnu-as", "aarch64-linux-gnu-objcopy")
	dir := Dir(t)
	MakeDir(t, filepath.Join(s.Root, folder))
	Write(t, filepath.Join(dir, "mark.s"), markARMSource)
	for _, args := range [][]string{
		{"aarch64-linux-gnu-as", "-o", "mark.o", "mark.s"},
		{"aarch64-linux-gnu-objcopy", "-O", "binary", "mark.o", filepath.Join(s.Root, folder, "mark")},
	} {
		run(t, dir, args...)
	}
}

// run runs a program in a directory, which must succeed.
func run(t testing.TB, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", args[0], err, out)
	}
}

// assemble makes a program from its source, as options of nasm say.
func assemble(t testing.TB, source, program string, options ...string) {
	t.Helper()
	dir := Dir(t)
	Write(t, filepath.Join(dir, "say.inc"), saySource)
	Write(t, filepath.Join(dir, "source.asm"), source)
	run(t, dir, append([]string{"nasm", "-f", "bin", "-o", program, "source.asm"}, options...)...)
}
