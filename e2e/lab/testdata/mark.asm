; The smallest thing that boot loaders take for a Linux kernel (the kernel's
; Documentation/arch/x86/boot.rst, protocol 2.03). All it does is to write the
; command line that it was given to the first serial line, between markers: so the
; line shows which configuration the loader really read. With "reboot" on that line
; the machine starts anew, else it rests.

bits 16
org 0                           ; of the segment that the real-mode part is loaded to

        times 0x1f1 - ($ - $$) db 0
        db 1                    ; setup_sects: one sector after this one
        dw 0                    ; root_flags
        dd 32                   ; syssize: the rest, in paragraphs of 16 bytes
        dw 0, 0xffff, 0         ; ram_size, vid_mode, root_dev
        dw 0xaa55               ; boot_flag

        jmp short start         ; 0x200: where the loader jumps to, in segment + 0x20
        db "HdrS"               ; header
        dw 0x0203               ; version
        dd 0                    ; realmode_swtch
        dw 0, 0                 ; start_sys_seg, kernel_version
        db 0                    ; type_of_loader, which the loader fills in
        db 1                    ; loadflags: the rest is loaded high
        dw 0                    ; setup_move_size
        dd 0x100000             ; code32_start
        dd 0, 0                 ; ramdisk_image, ramdisk_size
        dd 0                    ; bootsect_kludge
        dw 0, 0                 ; heap_end_ptr, ext_loader_ver and ext_loader_type
command_line:
        dd 0                    ; 0x228, cmd_line_ptr: filled in, a linear address
        dd 0x37ffffff           ; initrd_addr_max

start:  cld                     ; ds and es are the segment of the real-mode part
        mov si, before
        call say
        call line
        call say
        push es
        pop ds
        mov si, after
        call say

        call line
look:   cmp dword [si], "rebo"
        je restart
        lodsb
        test al, al
        jnz look
rest:   cli
        hlt
        jmp rest

restart:
        mov dx, 0xcf9           ; the reset control register of the chipset
        mov al, 6
        out dx, al
        jmp rest

; line makes ds:si the command line.
line:   mov eax, [command_line]
        mov si, ax
        and si, 15
        shr eax, 4
        mov ds, ax
        ret

%include "say.inc"

before: db 13, 10, "[[BOOTED ", 0
after:  db "]]", 13, 10, 0

        times 0x400 - ($ - $$) db 0
        times 512 db 0          ; the rest, which is never run
