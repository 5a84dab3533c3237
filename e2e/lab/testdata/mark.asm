; The smallest thing that boot loaders take for a Linux kernel (the kernel's
; Documentation/arch/x86/boot.rst, protocol 2.03) and that UEFI takes for an
; application, as it does the kernel (UEFI specification 2.10, section 2.1.1; the
; PE/COFF specification). All it does is to write the command line that it was given
; to the first serial line, between markers: so the line shows which configuration
; the loader really read. With "reboot" on that line the machine starts anew, else it
; rests.

default rel
bits 16
org 0                           ; of the segment that the real-mode part is loaded to,
                                ; and of the image of an application, wherever it is

        db "MZ"
        times 0x3c - ($ - $$) db 0
        dd signature

signature:
        db "PE", 0, 0
        dw 0x8664               ; Machine: x86-64
        dw 1                    ; NumberOfSections
        dd 0, 0, 0              ; TimeDateStamp, PointerToSymbolTable, NumberOfSymbols
        dw sections - optional  ; SizeOfOptionalHeader
        dw 2                    ; Characteristics: executable, and may be anywhere
optional:
        dw 0x020b               ; Magic: 64 bits
        db 0, 0                 ; version of the linker
        dd end - application    ; SizeOfCode
        dd 0, 0                 ; SizeOfInitializedData, SizeOfUninitializedData
        dd application          ; AddressOfEntryPoint
        dd application          ; BaseOfCode
        dq 0                    ; ImageBase
        dd 0x200, 0x200         ; SectionAlignment, FileAlignment
        dw 0, 0, 0, 0, 0, 0     ; versions of the system, the image and the subsystem
        dd 0                    ; Win32VersionValue
        dd end                  ; SizeOfImage
        dd application          ; SizeOfHeaders
        dd 0                    ; CheckSum
        dw 10, 0                ; Subsystem: an EFI application; DllCharacteristics
        dq 0, 0, 0, 0           ; what to reserve for the stack and the heap
        dd 0, 0                 ; LoaderFlags, NumberOfRvaAndSizes
sections:
        db ".text", 0, 0, 0
        dd end - application, application ; VirtualSize, VirtualAddress
        dd end - application, application ; SizeOfRawData, PointerToRawData
        dd 0, 0                 ; PointerToRelocations, PointerToLinenumbers
        dw 0, 0                 ; their numbers
        dd 0xe0000020           ; Characteristics: code, to be run, read and written

        times 0x1f1 - ($ - $$) db 0
        db 1                    ; setup_sects: one sector after this one
        dw 0                    ; root_flags
        dd (end - application) / 16 ; syssize: the rest, in paragraphs
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

; The rest. Boot loaders of BIOS load it as well, but nothing of it is run there.

        times 0x400 - ($ - $$) db 0
bits 64

application:                    ; called with its handle in rcx, and the system table in rdx
        sub rsp, 0x28           ; room for the callee, and the stack aligned
        mov rax, [rdx + 0x60]   ; BootServices
        lea rdx, [protocol]
        lea r8, [image]
        call [rax + 0x98]       ; HandleProtocol
        lea rsi, [before]
        call write
%ifdef DISK                     ; nobody gives it a command line there
        lea rsi, [disk]
        call write
%else
        mov rdi, [image]
        mov ecx, [rdi + 0x30]   ; LoadOptionsSize, in bytes
        mov rsi, [rdi + 0x38]   ; LoadOptions, two bytes each
        shr ecx, 1
        jz .end
.next:  lodsw
        test al, al
        jz .end
        call put
        loop .next
%endif
.end:   lea rsi, [after]
        call write
.rest:  cli
        hlt
        jmp .rest

; write writes the text at rsi, up to its zero.
write:  lodsb
        test al, al
        jz .done
        call put
        jmp write
.done:  ret

; put writes al to the first serial line.
put:    mov ah, al
        mov dx, 0x3fd           ; line status register of COM1
.busy:  in al, dx
        test al, 0x20           ; the transmitter takes another byte
        jz .busy
        mov al, ah
        mov dx, 0x3f8
        out dx, al
        ret

disk:   db "marker=disk", 0

        align 8, db 0
protocol:                       ; EFI_LOADED_IMAGE_PROTOCOL_GUID
        dd 0x5b1b31a1
        dw 0x9562, 0x11d2
        db 0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b
image:  dq 0                    ; that protocol, of this image

        align 0x200, db 0
end:
