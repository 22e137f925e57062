// The drawings: the product's mark, and arrows. Each drawing only decorates a word.

export const Bolt = () => (
  <svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
    <rect width="32" height="32" rx="9" />
    <path d="M18 4.5 8.5 18H15l-1.5 9.5L24 13.500h-7z" />
  </svg>
)

export const Arrow = ({ direction }: { direction: 'up' | 'down' | 'left' | 'right' }) => (
  <svg class={`arrow arrow-${direction}`} viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
    <path d="M4 10l4-4 4 4" />
  </svg>
)
