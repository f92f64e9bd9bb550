/**
 * The DAG of eleven functions, with the cost of each. Eight of them are maps, which run once per photograph, and what is
 * done to one photograph does not wait for the others.
 */
// In a project of your own: from 'handoffjs'.
import { Dag, tasks } from '../../lib/index.ts';

const t = tasks<typeof import('./tasks.ts')>(new URL('./tasks.ts', import.meta.url));

/**
 * @param paths the photographs
 * @param output the folder to write to
 * @param desk the node that reads and writes files, if not every node has them
 */
export function imagePipeline(paths: readonly string[], output: string, desk?: string): Dag {
  const atDesk = desk === undefined ? {} : { node: desk };
  const effects = ['grayscale_effect', 'sepia_effect', 'blur_effect', 'edge_detection'];
  /** Called for each picture of another function. */
  const each = (id: string) => ({ map: true, args: [id] });
  return new Dag('image-processing')
    .add({
      id: 'load_images',
      code: t.loadImage,
      extraArgs: [paths],
      map: true,
      ...atDesk,
      cost: { cpu: 1, memory: 200 },
    })
    .add({
      id: 'resize_images',
      code: t.resizeImage,
      ...each('load_images'),
      extraArgs: [800, 600],
      cost: { cpu: 1, memory: 200 },
    })
    .add({ id: 'grayscale_effect', code: t.grayscale, ...each('resize_images'), cost: { cpu: 1, memory: 200 } })
    .add({ id: 'sepia_effect', code: t.sepia, ...each('resize_images'), cost: { cpu: 1, memory: 200 } })
    .add({
      id: 'blur_effect',
      code: t.blur,
      ...each('resize_images'),
      extraArgs: [5],
      cost: { cpu: 2, memory: 200 },
    })
    .add({ id: 'edge_detection', code: t.detectEdges, ...each('resize_images'), cost: { cpu: 1, memory: 300, gpu: 1 } })
    .add({
      id: 'create_thumbnails',
      code: t.createThumbnail,
      ...each('resize_images'),
      extraArgs: [150],
      cost: { cpu: 1, memory: 100 },
    })
    .add({ id: 'quality_report', code: t.assessQuality, args: effects, cost: { cpu: 4, memory: 2000 } })
    .add({
      id: 'create_collage',
      code: t.createCollage,
      args: effects,
      extraArgs: [{ width: 1600, height: 1200 }],
      cost: { cpu: 4, memory: 4000 },
    })
    .add({
      id: 'save_thumbnails',
      code: t.saveThumbnail,
      ...each('create_thumbnails'),
      extraArgs: [output],
      ...atDesk,
      cost: { cpu: 1, memory: 100 },
    })
    .add({
      id: 'save_collage',
      code: t.saveImage,
      args: ['create_collage'],
      extraArgs: [`${output}/collage.jpg`],
      ...atDesk,
      cost: { cpu: 1, memory: 500 },
    });
}
