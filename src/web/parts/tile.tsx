// One figure with its name, its unit and a line of explanation.

interface TileProps {
  readonly word: string
  readonly value: string
  readonly unit?: string
  readonly note?: string
  readonly tone?: string
  /** An identifier for tests and other programs that read the page. */
  readonly name?: string
}

export const Tile = ({ word, value, unit, note, tone, name }: TileProps) => (
  <div class={`tile ${tone ? `is-${tone}` : ''}`} data-value={name}>
    <dt>{word}</dt>
    <dd title={value.length > 14 ? value : undefined}>
      {value}
      {unit !== undefined && value !== '–' && <span class="unit"> {unit}</span>}
    </dd>
    {note !== undefined && <dd class="note">{note}</dd>}
  </div>
)
