/** The console's icons: 16 units wide, drawn with the text's colour, hidden from screen readers. */
const drawings = {
  hash: 'M6.2 2.5 4.8 13.5M11.2 2.5 9.8 13.5M2.8 5.8h11M2.2 10.2h11',
  lock: 'M4.5 7V5.2a3.5 3.5 0 0 1 7 0V7M3.5 7h9v6.2h-9z',
  agents:
    'M3.4 4.4h9.2a1 1 0 0 1 1 1v6.2a1 1 0 0 1-1 1H3.4a1 1 0 0 1-1-1V5.400a1 1 0 0 1 1-1ZM8 4.200V2M5.900 7.700v1.400M10.100 7.700v1.400',
  thread: 'M3 2.800v5.400a2.400 2.400 0 0 0 2.400 2.400H13M10.200 7.600l2.900 3-2.900 3',
  pause: 'M5.500 3.500v9M10.500 3.500v9',
  play: 'M5 3.300 12.300 8 5 12.700Z',
  send: 'M8 13.200V3M3.600 7.300 8 2.800l4.400 4.500',
  down: 'M8 3v9.800M3.600 8.600 8 13l4.400-4.400',
  back: 'M13 8H3.200M7.400 3.600 3 8l4.400 4.400',
  menu: 'M2.500 4.500h11M2.500 8h11M2.500 11.500h11',
  close: 'M4 4l8 8M12 4l-8 8',
  copy: 'M6 5.500h7v8H6zM10 5.500v-3H3v8h3',
  check: 'M3 8.600l3.300 3.300L13 4.600',
  trash:
    'M2.800 4.500h10.400M6.300 4.500V2.800h3.400v1.700M4.200 4.500l.6 8.900h6.400l.6-8.900M6.800 7.200v3.600M9.200 7.200v3.600',
  warning: 'M8 2.400 14.300 13.300H1.700ZM8 6.400v3.300M8 11.500v.2',
  image: 'M2.500 3.500h11v9h-11zM2.700 11l3.200-3.200 2.600 2.600 1.900-1.900 3 3M10.300 6.400v.1',
  audio:
    'M3 6.200v3.600h2.300L8.800 13V3L5.300 6.200ZM11 6a2.800 2.800 0 0 1 0 4M12.800 4.200a5.300 5.300 0 0 1 0 7.600',
  file: 'M4 2.200h5l3 3v8.600H4zM9 2.200v3h3',
  link: 'M6.800 9.200a2.600 2.600 0 0 0 3.700 0l2.300-2.300a2.600 2.600 0 0 0-3.700-3.700l-.7.700M9.200 6.800a2.600 2.600 0 0 0-3.700 0L3.200 9.100a2.600 2.600 0 0 0 3.700 3.700l.7-.7',
  braces:
    'M6 2.500c-1.600 0-2 .7-2 2v1.700C4 7.300 3.500 8 2.500 8 3.500 8 4 8.700 4 9.800v1.700c0 1.300.4 2 2 2M10 2.500c1.600 0 2 .7 2 2v1.700c0 1.100.5 1.800 1.500 1.800-1 0-1.500.7-1.500 1.800v1.700c0 1.300-.4 2-2 2',
  plus: 'M8 3v10M3 8h10',
  receipt: 'M2.200 8.600l3 3L11.600 4.600M7.600 11.200l.6.6 6-7.200',
  leave: 'M7.500 2.800H3.400v10.400h4.100M6.600 8h6.600M10.600 5.200 13.400 8l-2.800 2.800',
  external: 'M6.500 3.500h-3v9h9v-3M9 2.800h4.200V7M13 3 7.500 8.500',
} as const;

export type IconName = keyof typeof drawings;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 16 16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={drawings[name]} />
    </svg>
  );
}
