/** The packages that the page is made of, by the names its modules import: ES modules that import nothing but each other, served from here. */
export const vendor = ['preact', 'preact/hooks', 'htm', '@dagrejs/dagre'] as const;
