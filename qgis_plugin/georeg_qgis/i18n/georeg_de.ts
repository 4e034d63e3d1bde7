<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="de" sourcelanguage="en">
  <context>
    <name>georeg</name>
    <message>
      <location filename="../algorithms/align.py" />
      <source>Align raster</source>
      <translation>Raster ausrichten</translation>
    </message>
    <message>
      <location filename="../algorithms/align.py" />
      <source>Aligns a raster layer to a reference layer of any kind: optical, radar, infrared, map scan or elevation. The layer that moves is never changed; a new raster is written, or nothing where no trustworthy alignment is found. A report with the error at left-out tie points lies beside the output.</source>
      <translation>Richtet einen Rasterlayer an einem Referenzlayer beliebiger Art aus: optisch, Radar, Infrarot, gescannte Karte oder Höhenmodell. Der bewegte Layer wird nie verändert; es entsteht ein neues Raster, oder gar nichts, wenn sich keine vertrauenswürdige Ausrichtung findet. Neben der Ausgabe liegt ein Bericht mit dem Fehler an ausgelassenen Verknüpfungspunkten.</translation>
    </message>
    <message>
      <location filename="../algorithms/align.py" />
      <source>Write even what isn't trustworthy, and mark it</source>
      <translation>Auch schreiben, was nicht vertrauenswürdig ist, und es kennzeichnen</translation>
    </message>
    <message>
      <location filename="../algorithms/align.py" />
      <source>Tie points</source>
      <translation>Verknüpfungspunkte</translation>
    </message>
    <message>
      <location filename="../algorithms/align.py" />
      <source>Fit, for other layers of the scene</source>
      <translation>Anpassung, für andere Layer der Szene</translation>
    </message>
    <message>
      <location filename="../algorithms/align.py" />
      <source>Report to look at</source>
      <translation>Bericht zum Ansehen</translation>
    </message>
    <message>
      <location filename="../algorithms/align.py" />
      <source>Aligned raster</source>
      <translation>Ausgerichtetes Raster</translation>
    </message>
    <message>
      <location filename="../algorithms/align.py" />
      <source>Report (JSON)</source>
      <translation>Bericht (JSON)</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>RMSE (px)</source>
      <translation>RMSE (px)</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>CE90 (px)</source>
      <translation>CE90 (px)</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>RMSE (m)</source>
      <translation>RMSE (m)</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>CE90 (m)</source>
      <translation>CE90 (m)</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Tie points that agree</source>
      <translation>Verknüpfungspunkte, die stimmen</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Displacement (px)</source>
      <translation>Verschiebung (px)</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Both layers are the same file: choose another reference.</source>
      <translation>Beide Layer sind dieselbe Datei: eine andere Referenz wählen.</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>The layer that moves has no coordinates, or wrong ones: look everywhere</source>
      <translation>Der bewegte Layer hat keine Koordinaten, oder falsche: überall suchen</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Largest shift to look for, in reference pixels (80) or metres (800m)</source>
      <translation>Größte gesuchte Verschiebung, in Referenzpixeln (80) oder Metern (800m)</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Pixel size of the output, in units of its CRS</source>
      <translation>Pixelgröße der Ausgabe, in Einheiten ihres KBS</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Add the tie points to the map, where they are a GeoPackage</source>
      <translation>Verknüpfungspunkte auf die Karte legen, wenn sie ein GeoPackage sind</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Reference</source>
      <translation>Referenz</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Search range</source>
      <translation>Suchbereich</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Refuse if the error is larger (reference pixels)</source>
      <translation>Ablehnen, wenn der Fehler größer ist (Referenzpixel)</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Pixel grid of the output</source>
      <translation>Pixelraster der Ausgabe</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Resampling</source>
      <translation>Resampling</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Further options of the command line, such as --max-tiles 400</source>
      <translation>Weitere Optionen der Kommandozeile, etwa --max-tiles 400</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Layer that moves</source>
      <translation>Layer, der bewegt wird</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Reference layer (stays)</source>
      <translation>Referenzlayer (bleibt)</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Area of interest</source>
      <translation>Interessengebiet</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Matcher: auto, or a name such as structural or minima_loftr</source>
      <translation>Matcher: auto oder ein Name wie structural oder minima_loftr</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Device: auto, cpu or cuda</source>
      <translation>Rechengerät: auto, cpu oder cuda</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Verdict</source>
      <translation>Urteil</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>{layer}: what it shows</source>
      <translation>{layer}: was zu sehen ist</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>{layer}: bands to look at</source>
      <translation>{layer}: betrachtete Bänder</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Transform</source>
      <translation>Transformation</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>georeg {version} has no command '{command}': update the engine.</source>
      <translation>georeg {version} kennt den Befehl „{command}“ nicht: Rechenprogramm aktualisieren.</translation>
    </message>
    <message>
      <location filename="../algorithms/base.py" />
      <source>Further options</source>
      <translation>Weitere Optionen</translation>
    </message>
    <message>
      <location filename="../algorithms/batch.py" />
      <source>Align many rasters</source>
      <translation>Viele Raster ausrichten</translation>
    </message>
    <message>
      <location filename="../algorithms/batch.py" />
      <source>Aligns all jobs of a manifest (CSV, TOML or GeoJSON), or all rasters of a folder to one reference layer. What was done before is skipped; what fails is recorded, and the rest goes on.</source>
      <translation>Führt alle Aufträge einer Liste aus (CSV, TOML oder GeoJSON) oder richtet alle Raster eines Ordners an einem Referenzlayer aus. Was schon fertig ist, wird übersprungen; was misslingt, wird festgehalten, und der Rest läuft weiter.</translation>
    </message>
    <message>
      <location filename="../algorithms/batch.py" />
      <source>Reference layer of all</source>
      <translation>Gemeinsamer Referenzlayer</translation>
    </message>
    <message>
      <location filename="../algorithms/batch.py" />
      <source>Manifest of jobs</source>
      <translation>Auftragsliste</translation>
    </message>
    <message>
      <location filename="../algorithms/batch.py" />
      <source>Folder of rasters, instead of a manifest</source>
      <translation>Ordner mit Rastern, statt einer Auftragsliste</translation>
    </message>
    <message>
      <location filename="../algorithms/batch.py" />
      <source>Folder of the results</source>
      <translation>Ordner für die Ergebnisse</translation>
    </message>
    <message>
      <location filename="../algorithms/batch.py" />
      <source>Jobs that failed</source>
      <translation>Fehlgeschlagene Aufträge</translation>
    </message>
    <message>
      <location filename="../algorithms/batch.py" />
      <source>Give either a manifest or a folder.</source>
      <translation>Entweder eine Auftragsliste oder einen Ordner angeben.</translation>
    </message>
    <message>
      <location filename="../algorithms/check.py" />
      <source>Check alignment</source>
      <translation>Ausrichtung prüfen</translation>
    </message>
    <message>
      <location filename="../algorithms/check.py" />
      <source>Measures how far a raster layer is off a reference layer. Nothing is written but the report, if one is wanted. Fails where it can't be measured, or where the error is above the limit.</source>
      <translation>Misst, wie weit ein Rasterlayer gegen einen Referenzlayer verschoben ist. Geschrieben wird höchstens der Bericht. Schlägt fehl, wo sich nichts messen lässt oder der Fehler über der Grenze liegt.</translation>
    </message>
    <message>
      <location filename="../algorithms/check.py" />
      <source>Fail if the error is larger (reference pixels)</source>
      <translation>Fehlschlagen, wenn der Fehler größer ist (Referenzpixel)</translation>
    </message>
    <message>
      <location filename="../algorithms/check.py" />
      <source>Mean offset to the right (px)</source>
      <translation>Mittlerer Versatz nach rechts (px)</translation>
    </message>
    <message>
      <location filename="../algorithms/check.py" />
      <source>Mean offset downwards (px)</source>
      <translation>Mittlerer Versatz nach unten (px)</translation>
    </message>
    <message>
      <location filename="../algorithms/check.py" />
      <source>Median error (px)</source>
      <translation>Median des Fehlers (px)</translation>
    </message>
    <message>
      <location filename="../algorithms/match.py" />
      <source>Find tie points</source>
      <translation>Verknüpfungspunkte suchen</translation>
    </message>
    <message>
      <location filename="../algorithms/match.py" />
      <source>Finds tie points between two raster layers, to be looked at, edited (switch off a point by enabled = false) and applied by 'Apply tie points or a fit', or for other tools: the file's suffix says for which. A GeoPackage is put onto the map, in the style that it holds.</source>
      <translation>Sucht Verknüpfungspunkte zwischen zwei Rasterlayern: zum Ansehen, zum Bearbeiten (enabled = false schaltet einen Punkt ab), zum Anwenden mit „Verknüpfungspunkte oder Anpassung anwenden“, oder für andere Programme; die Dateiendung bestimmt, für welche. Ein GeoPackage wird auf die Karte gelegt, in dem Stil, den es enthält.</translation>
    </message>
    <message>
      <location filename="../algorithms/ortho.py" />
      <source>Orthorectify by RPCs</source>
      <translation>Orthorektifizieren mit RPCs</translation>
    </message>
    <message>
      <location filename="../algorithms/ortho.py" />
      <source>Orthorectifies an image with RPCs by a DEM. With a reference layer the RPCs are refined by tie points first. Heights of the DEM are taken as its CRS says.</source>
      <translation>Orthorektifiziert ein Bild mit RPCs über einem Höhenmodell. Mit einem Referenzlayer werden die RPCs zuerst durch Verknüpfungspunkte verbessert. Die Höhen des Modells gelten so, wie sein KBS sagt.</translation>
    </message>
    <message>
      <location filename="../algorithms/ortho.py" />
      <source>Constant height above the ellipsoid (m), instead of a DEM</source>
      <translation>Konstante Höhe über dem Ellipsoid (m), statt eines Höhenmodells</translation>
    </message>
    <message>
      <location filename="../algorithms/ortho.py" />
      <source>RPCs, where the image's own aren't meant</source>
      <translation>RPCs, falls nicht die des Bildes gemeint sind</translation>
    </message>
    <message>
      <location filename="../algorithms/ortho.py" />
      <source>Image</source>
      <translation>Bild</translation>
    </message>
    <message>
      <location filename="../algorithms/ortho.py" />
      <source>Image with RPCs</source>
      <translation>Bild mit RPCs</translation>
    </message>
    <message>
      <location filename="../algorithms/ortho.py" />
      <source>DEM</source>
      <translation>Höhenmodell</translation>
    </message>
    <message>
      <location filename="../algorithms/ortho.py" />
      <source>Reference layer, to refine the RPCs by</source>
      <translation>Referenzlayer, um die RPCs zu verbessern</translation>
    </message>
    <message>
      <location filename="../algorithms/ortho.py" />
      <source>Orthoimage</source>
      <translation>Orthobild</translation>
    </message>
    <message>
      <location filename="../algorithms/ortho.py" />
      <source>Refined RPCs</source>
      <translation>Verbesserte RPCs</translation>
    </message>
    <message>
      <location filename="../algorithms/ortho.py" />
      <source>Give a DEM, or a constant height.</source>
      <translation>Ein Höhenmodell oder eine konstante Höhe angeben.</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>Apply tie points or a fit</source>
      <translation>Verknüpfungspunkte oder Anpassung anwenden</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>Applies a fit that was saved, or tie points, to a raster layer: the one that was aligned, or another band or product of its scene. Nothing is matched again. Tie points are fitted first, which needs the layer that moved and the reference; points with enabled = false are left out.</source>
      <translation>Wendet eine gespeicherte Anpassung oder Verknüpfungspunkte auf einen Rasterlayer an: auf den ausgerichteten, oder auf ein anderes Band oder Produkt seiner Szene. Es wird nichts neu gesucht. Verknüpfungspunkte werden zuerst angepasst, dafür braucht es den bewegten Layer und die Referenz; Punkte mit enabled = false bleiben außen vor.</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>The tie points are of a layer without coordinates, or with wrong ones</source>
      <translation>Die Verknüpfungspunkte gehören zu einem Layer ohne Koordinaten, oder mit falschen</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>Further options of georeg fit, for tie points, such as --max-rmse 1</source>
      <translation>Weitere Optionen von georeg fit, für Verknüpfungspunkte, etwa --max-rmse 1</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>Transform for tie points</source>
      <translation>Transformation für Verknüpfungspunkte</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>Further options of georeg warp, such as --dst-nodata 0</source>
      <translation>Weitere Optionen von georeg warp, etwa --dst-nodata 0</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>Tie points with their new residuals</source>
      <translation>Verknüpfungspunkte mit neuen Restfehlern</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>Fit of the tie points</source>
      <translation>Anpassung der Verknüpfungspunkte</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>Layer to apply it to</source>
      <translation>Layer, auf den sie angewandt wird</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>Fit (a file of 'Align raster')</source>
      <translation>Anpassung (eine Datei von „Raster ausrichten“)</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>Tie points, instead of a fit</source>
      <translation>Verknüpfungspunkte, statt einer Anpassung</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>Layer that the tie points are of (if not the same)</source>
      <translation>Layer, zu dem die Verknüpfungspunkte gehören (falls ein anderer)</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>Reference layer of the tie points</source>
      <translation>Referenzlayer der Verknüpfungspunkte</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>Give either a fit or tie points.</source>
      <translation>Entweder eine Anpassung oder Verknüpfungspunkte angeben.</translation>
    </message>
    <message>
      <location filename="../algorithms/warp.py" />
      <source>Tie points need their reference layer.</source>
      <translation>Verknüpfungspunkte brauchen ihren Referenzlayer.</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Decide by the data</source>
      <translation>Nach den Daten entscheiden</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Optical</source>
      <translation>Optisch</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Radar (SAR)</source>
      <translation>Radar (SAR)</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Infrared</source>
      <translation>Infrarot</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Map or scan</source>
      <translation>Karte oder Scan</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Elevation (DEM)</source>
      <translation>Höhenmodell (DEM)</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Simplest that predicts well</source>
      <translation>Einfachste, die gut vorhersagt</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Shift</source>
      <translation>Verschiebung</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Similarity (shift, rotation, scale)</source>
      <translation>Ähnlichkeit (Verschiebung, Drehung, Maßstab)</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Affine</source>
      <translation>Affin</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Projective</source>
      <translation>Projektiv</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Polynomial, 2nd order</source>
      <translation>Polynom 2. Ordnung</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Polynomial, 3rd order</source>
      <translation>Polynom 3. Ordnung</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Thin plate spline</source>
      <translation>Thin-Plate-Spline</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Displacement field</source>
      <translation>Verschiebungsfeld</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Normal; wide without coordinates</source>
      <translation>Normal; weit ohne Koordinaten</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Normal: up to 10° and 10 %</source>
      <translation>Normal: bis 10° und 10 %</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Wide: any rotation, scale 1/4 to 4</source>
      <translation>Weit: jede Drehung, Maßstab 1/4 bis 4</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Own resolution, reference's CRS</source>
      <translation>Eigene Auflösung, KBS der Referenz</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>The reference's pixels</source>
      <translation>Die Pixel der Referenz</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>The moving layer's pixels</source>
      <translation>Die Pixel des bewegten Layers</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Cubic; nearest for classes</source>
      <translation>Kubisch; bei Klassen nächster Nachbar</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Nearest</source>
      <translation>Nächster Nachbar</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Bilinear</source>
      <translation>Bilinear</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Cubic</source>
      <translation>Kubisch</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Lanczos</source>
      <translation>Lanczos</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Average</source>
      <translation>Mittelwert</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Mode</source>
      <translation>Häufigster Wert</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>What kind of picture it is. Name it where radar or a map is taken for a photograph.</source>
      <translation>Was für ein Bild es ist. Angeben, wo Radar oder eine Karte für eine Aufnahme gehalten wird.</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>The bands that are compared. All of them are written, whatever is chosen here.</source>
      <translation>Die Bänder, die verglichen werden. Geschrieben werden alle, gleich was hier gewählt ist.</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>For scans and photographs without coordinates, or with wrong ones: the layer is looked for all over the reference, at any rotation, and from a quarter to four times the size.</source>
      <translation>Für Scans und Fotos ohne Koordinaten, oder mit falschen: Der Layer wird überall in der Referenz gesucht, beliebig gedreht und von einem Viertel bis zur vierfachen Größe.</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>How far the layer may be bent to fit. The simplest one that predicts places that weren't fitted is found by itself.</source>
      <translation>Wie weit der Layer verbogen werden darf, damit er passt. Die einfachste, die auch nicht angepasste Stellen vorhersagt, findet sich von selbst.</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>How the same places are recognised in both layers</source>
      <translation>Wie dieselben Stellen in beiden Layern wiedererkannt werden</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Where the matcher computes</source>
      <translation>Wo der Matcher rechnet</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Wide finds layers that are turned or of another scale, and takes longer.</source>
      <translation>Weit findet gedrehte Layer und solche in anderem Maßstab, und dauert länger.</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>How far off the layer may be: 80 for pixels of the reference, 800m for metres.</source>
      <translation>Wie weit der Layer danebenliegen darf: 80 für Pixel der Referenz, 800m für Meter.</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Write nothing if the error (RMSE) is larger, in pixels of the reference.</source>
      <translation>Nichts schreiben, wenn der Fehler (RMSE) größer ist, in Pixeln der Referenz.</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>Where the pixels of the aligned raster lie. With the reference's, the two can be computed with each other.</source>
      <translation>Wo die Pixel des ausgerichteten Rasters liegen. Mit denen der Referenz lässt sich mit beiden zusammen rechnen.</translation>
    </message>
    <message>
      <location filename="../choices.py" />
      <source>How values between pixels are found. Nearest keeps classes as they are.</source>
      <translation>Wie Werte zwischen den Pixeln entstehen. „Nächster“ lässt Klassen, wie sie sind.</translation>
    </message>
    <message>
      <location filename="../engine/discovery.py" />
      <source>The georeg engine is not set up yet: choose 'Set up engine'.</source>
      <translation>Das Rechenprogramm georeg ist noch nicht eingerichtet: „Rechenprogramm einrichten“ wählen.</translation>
    </message>
    <message>
      <location filename="../engine/discovery.py" />
      <source>georeg {version} in {python} speaks protocol {protocol}, this plugin needs {wanted}: update the plugin.</source>
      <translation>georeg {version} in {python} spricht Protokoll {protocol}, diese Erweiterung braucht {wanted}: Erweiterung aktualisieren.</translation>
    </message>
    <message>
      <location filename="../engine/discovery.py" />
      <source>{python}: no such file. Choose another Python in 'Set up engine'.</source>
      <translation>{python}: keine solche Datei. Unter „Rechenprogramm einrichten“ ein anderes Python wählen.</translation>
    </message>
    <message>
      <location filename="../engine/discovery.py" />
      <source>{python} is QGIS itself, not a Python that could run the engine.</source>
      <translation>{python} ist QGIS selbst, kein Python für das Rechenprogramm.</translation>
    </message>
    <message>
      <location filename="../engine/discovery.py" />
      <source>georeg {version} in {python} speaks protocol {protocol}, this plugin needs {wanted}: update the engine.</source>
      <translation>georeg {version} in {python} spricht Protokoll {protocol}, diese Erweiterung braucht {wanted}: Rechenprogramm aktualisieren.</translation>
    </message>
    <message>
      <location filename="../engine/discovery.py" />
      <source>{python} has no georeg engine. {last}</source>
      <translation>{python} hat kein georeg. {last}</translation>
    </message>
    <message>
      <location filename="../engine/discovery.py" />
      <source>{python} has no georeg engine that this plugin knows.</source>
      <translation>{python} hat kein georeg, das diese Erweiterung kennt.</translation>
    </message>
    <message>
      <location filename="../engine/discovery.py" />
      <source>{python} can't be started: {why}.</source>
      <translation>{python} lässt sich nicht starten: {why}.</translation>
    </message>
    <message>
      <location filename="../engine/discovery.py" />
      <source>{python} didn't answer within {seconds:.0f} s.</source>
      <translation>{python} hat {seconds:.0f} s lang nicht geantwortet.</translation>
    </message>
    <message>
      <location filename="../engine/discovery.py" />
      <source>Cancelled.</source>
      <translation>Abgebrochen.</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>On disk: about {disk:.1f} GB of {free:.1f} GB that are free.</source>
      <translation>Auf der Platte: etwa {disk:.1f} GB von {free:.1f} GB, die frei sind.</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>Network: about {download:.1f} GB from {hosts}.</source>
      <translation>Netz: etwa {download:.1f} GB von {hosts}.</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>{folder} holds other things: choose an empty folder.</source>
      <translation>{folder} enthält anderes: einen leeren Ordner wählen.</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>The disk of {folder} has less than {need:.1f} GB left.</source>
      <translation>Auf der Platte von {folder} sind weniger als {need:.1f} GB frei.</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>{python} is Python {version}: name a Python 3.10 or newer.</source>
      <translation>{python} ist Python {version}: ein Python ab 3.10 nennen.</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>Name the folder of the environment, with its whole path.</source>
      <translation>Den Ordner der Umgebung mit vollem Pfad nennen.</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>uv is not installed: choose venv, or install uv.</source>
      <translation>uv ist nicht installiert: venv wählen oder uv installieren.</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>Name a Python 3.10 or newer to make the environment with, or use uv.</source>
      <translation>Ein Python ab 3.10 nennen, mit dem die Umgebung angelegt wird, oder uv verwenden.</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>{folder} is no folder.</source>
      <translation>{folder} ist kein Ordner.</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>{step}... failed: {last}</source>
      <translation>{step}... ist fehlgeschlagen: {last}</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>The engine that is there is replaced when the new one works.</source>
      <translation>Das vorhandene Rechenprogramm wird ersetzt, sobald das neue läuft.</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>Network: none. All comes from {folder}.</source>
      <translation>Netz: keines. Alles kommt aus {folder}.</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>Proxy: {proxy}.</source>
      <translation>Proxy: {proxy}.</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>Proxy: none.</source>
      <translation>Proxy: keiner.</translation>
    </message>
    <message>
      <location filename="../engine/installing.py" />
      <source>Cancelled; nothing was left behind.</source>
      <translation>Abgebrochen; nichts blieb zurück.</translation>
    </message>
    <message>
      <location filename="../engine/words.py" />
      <source>Working</source>
      <translation>Es wird gerechnet</translation>
    </message>
    <message>
      <location filename="../engine/words.py" />
      <source>Finding roughly where the layer belongs</source>
      <translation>Grobe Lage des Layers wird gesucht</translation>
    </message>
    <message>
      <location filename="../engine/words.py" />
      <source>Looking for tie points</source>
      <translation>Verknüpfungspunkte werden gesucht</translation>
    </message>
    <message>
      <location filename="../engine/words.py" />
      <source>Fitting the transform</source>
      <translation>Transformation wird angepasst</translation>
    </message>
    <message>
      <location filename="../engine/words.py" />
      <source>Checking the result independently</source>
      <translation>Ergebnis wird unabhängig geprüft</translation>
    </message>
    <message>
      <location filename="../engine/words.py" />
      <source>Working through the jobs</source>
      <translation>Aufträge werden abgearbeitet</translation>
    </message>
    <message>
      <location filename="../engine/words.py" />
      <source>Writing the aligned raster</source>
      <translation>Ausgerichtetes Raster wird geschrieben</translation>
    </message>
    <message>
      <location filename="../engine/words.py" />
      <source>Starting the engine</source>
      <translation>Rechenprogramm wird gestartet</translation>
    </message>
    <message>
      <location filename="../gui/area.py" />
      <source>Map view</source>
      <translation>Kartenausschnitt</translation>
    </message>
    <message>
      <location filename="../gui/area.py" />
      <source>Look for tie points only in what the map shows now</source>
      <translation>Verknüpfungspunkte nur dort suchen, was die Karte gerade zeigt</translation>
    </message>
    <message>
      <location filename="../gui/area.py" />
      <source>Draw</source>
      <translation>Zeichnen</translation>
    </message>
    <message>
      <location filename="../gui/area.py" />
      <source>Draw a rectangle on the map</source>
      <translation>Ein Rechteck auf die Karte zeichnen</translation>
    </message>
    <message>
      <location filename="../gui/area.py" />
      <source>Everything that both layers cover</source>
      <translation>Alles, was beide Layer bedecken</translation>
    </message>
    <message>
      <location filename="../gui/area.py" />
      <source>A part of {size} map units</source>
      <translation>Ein Teil von {size} Karteneinheiten</translation>
    </message>
    <message>
      <location filename="../gui/compare.py" />
      <source>before</source>
      <translation>vorher</translation>
    </message>
    <message>
      <location filename="../gui/compare.py" />
      <source>after</source>
      <translation>nachher</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>weights missing</source>
      <translation>Gewichte fehlen</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>A copy of it is aligned; it stays as it is.</source>
      <translation>Ausgerichtet wird eine Kopie; er selbst bleibt, wie er ist.</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>Reference (stays)</source>
      <translation>Referenz (bleibt)</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>The layer that is in place.</source>
      <translation>Der Layer, der richtig liegt.</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>Let the other one move</source>
      <translation>Den anderen bewegen</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>Models…</source>
      <translation>Modelle…</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>Weights of trained matchers: fetch or import them</source>
      <translation>Gewichte trainierter Matcher holen oder importieren</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>by the size (or 80, or 800m)</source>
      <translation>nach der Größe (oder 80, oder 800m)</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>no limit of my own</source>
      <translation>keine eigene Grenze</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>Save to temporary file</source>
      <translation>In temporäre Datei speichern</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>Area</source>
      <translation>Gebiet</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>Output</source>
      <translation>Ausgabe</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>More choices</source>
      <translation>Weitere Einstellungen</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>Matcher</source>
      <translation>Matcher</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>Swap</source>
      <translation>Tauschen</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>Device</source>
      <translation>Rechengerät</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>Largest shift</source>
      <translation>Größte Verschiebung</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>Refuse above</source>
      <translation>Ablehnen über</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>Pixel grid</source>
      <translation>Pixelraster</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>Best for these layers</source>
      <translation>Bester für diese Layer</translation>
    </message>
    <message>
      <location filename="../gui/inputs.py" />
      <source>GPU if there is one</source>
      <translation>GPU, falls vorhanden</translation>
    </message>
    <message>
      <location filename="../gui/loading.py" />
      <source>Tie points and residual arrows</source>
      <translation>Verknüpfungspunkte und Restfehlerpfeile</translation>
    </message>
    <message>
      <location filename="../gui/loading.py" />
      <source>Displacements</source>
      <translation>Verschiebungen</translation>
    </message>
    <message>
      <location filename="../gui/loading.py" />
      <source>Footprints</source>
      <translation>Umrisse</translation>
    </message>
    <message>
      <location filename="../gui/loading.py" />
      <source>Tiles that were matched</source>
      <translation>Verglichene Kacheln</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>Weights of trained matchers</source>
      <translation>Gewichte trainierter Matcher</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>georeg needs no weights: its built-in matcher works without. Trained matchers want a GPU. Fetching is the only thing here that uses the network.</source>
      <translation>georeg braucht keine Gewichte: Der eingebaute Matcher kommt ohne aus. Trainierte Matcher wollen eine GPU. Nur das Holen benutzt das Netz.</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>Fetch…</source>
      <translation>Holen…</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>Import file…</source>
      <translation>Datei importieren…</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>Remove…</source>
      <translation>Löschen…</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>Cancel</source>
      <translation>Abbrechen</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>Import weights</source>
      <translation>Gewichte importieren</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>Import {path}?

You are responsible for having it under its licence.</source>
      <translation>{path} importieren?

Sie sind dafür verantwortlich, dass Sie die Datei nach ihrer Lizenz besitzen dürfen.</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>Weights</source>
      <translation>Gewichte</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>Here</source>
      <translation>Vorhanden</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>Size</source>
      <translation>Größe</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>Licence</source>
      <translation>Lizenz</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>yes</source>
      <translation>ja</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>no</source>
      <translation>nein</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>Fetch {name} ({size:.0f} MB) from {url}?

Licence: {licence}</source>
      <translation>{name} ({size:.0f} MB) von {url} holen?

Lizenz: {licence}</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>All files</source>
      <translation>Alle Dateien</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>Checkpoints</source>
      <translation>Checkpoints</translation>
    </message>
    <message>
      <location filename="../gui/models_dialog.py" />
      <source>Delete the weights {name} from this computer?</source>
      <translation>Die Gewichte {name} von diesem Rechner löschen?</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>These files exist and would be replaced:

{files}

Replace them?</source>
      <translation>Diese Dateien gibt es schon, sie würden ersetzt:

{files}

Ersetzen?</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>georeg: align raster layers</source>
      <translation>georeg: Rasterlayer ausrichten</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>Align</source>
      <translation>Ausrichten</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>Result</source>
      <translation>Ergebnis</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>Log</source>
      <translation>Protokoll</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>Set up engine…</source>
      <translation>Rechenprogramm einrichten…</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>Help</source>
      <translation>Hilfe</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>Looking for the engine…</source>
      <translation>Rechenprogramm wird gesucht…</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>Tie points for the Georeferencer</source>
      <translation>Verknüpfungspunkte für die Georeferenzierung</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>No engine</source>
      <translation>Kein Rechenprogramm</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>{moving} aligned to {reference}</source>
      <translation>{moving}, ausgerichtet an {reference}</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>The tie points are being edited: save or discard the edits first.</source>
      <translation>Die Verknüpfungspunkte werden gerade bearbeitet: Änderungen erst speichern oder verwerfen.</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>{title}, refit {number}</source>
      <translation>{title}, Neuanpassung {number}</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>Cancelling…</source>
      <translation>Wird abgebrochen…</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>Cancelled: nothing was written.</source>
      <translation>Abgebrochen: nichts wurde geschrieben.</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>Refused: the result says why, and what can be tried.</source>
      <translation>Abgelehnt: Das Ergebnis sagt, warum, und was sich versuchen lässt.</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>The layer as it was is no longer in the project.</source>
      <translation>Der ursprüngliche Layer ist nicht mehr im Projekt.</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>Done in {seconds:.0f} s.</source>
      <translation>Fertig in {seconds:.0f} s.</translation>
    </message>
    <message>
      <location filename="../gui/panel.py" />
      <source>Written: {path}. In Layer &gt; Georeferencer open the layer that moved, then File &gt; Load GCP Points.</source>
      <translation>Geschrieben: {path}. Unter Layer &gt; Georeferenzierung den bewegten Layer öffnen, dann Datei &gt; GCP-Punkte laden.</translation>
    </message>
    <message>
      <location filename="../gui/points_table.py" />
      <source>Use</source>
      <translation>Nutzen</translation>
    </message>
    <message>
      <location filename="../gui/points_table.py" />
      <source>Without the tick, 'Refit and warp again' leaves the point out</source>
      <translation>Ohne Haken lässt „Neu anpassen und entzerren“ den Punkt weg</translation>
    </message>
    <message>
      <location filename="../gui/points_table.py" />
      <source>Point</source>
      <translation>Punkt</translation>
    </message>
    <message>
      <location filename="../gui/points_table.py" />
      <source>Residual</source>
      <translation>Restfehler</translation>
    </message>
    <message>
      <location filename="../gui/points_table.py" />
      <source>How far the fit puts the point beside its place, in pixels of the reference</source>
      <translation>Wie weit die Anpassung den Punkt neben seinen Platz legt, in Pixeln der Referenz</translation>
    </message>
    <message>
      <location filename="../gui/points_table.py" />
      <source>dx</source>
      <translation>dx</translation>
    </message>
    <message>
      <location filename="../gui/points_table.py" />
      <source>To the right, in pixels of the reference</source>
      <translation>Nach rechts, in Pixeln der Referenz</translation>
    </message>
    <message>
      <location filename="../gui/points_table.py" />
      <source>dy</source>
      <translation>dy</translation>
    </message>
    <message>
      <location filename="../gui/points_table.py" />
      <source>Downwards, in pixels of the reference</source>
      <translation>Nach unten, in Pixeln der Referenz</translation>
    </message>
    <message>
      <location filename="../gui/points_table.py" />
      <source>Score</source>
      <translation>Güte</translation>
    </message>
    <message>
      <location filename="../gui/points_table.py" />
      <source>How sure the match is, from 0 to 1</source>
      <translation>Wie sicher der Punkt erkannt ist, von 0 bis 1</translation>
    </message>
    <message>
      <location filename="../gui/points_table.py" />
      <source>Agrees</source>
      <translation>Stimmt</translation>
    </message>
    <message>
      <location filename="../gui/points_table.py" />
      <source>Whether the point agrees with those around it</source>
      <translation>Ob der Punkt zu denen um ihn herum passt</translation>
    </message>
    <message>
      <location filename="../gui/points_table.py" />
      <source>The points can't be changed: the GeoPackage is read-only, or another program holds it.</source>
      <translation>Die Punkte lassen sich nicht ändern: Das GeoPackage ist schreibgeschützt, oder ein anderes Programm hält es fest.</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Results of this session</source>
      <translation>Ergebnisse dieser Sitzung</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Numbers of the fit that was refused: they can't be trusted.</source>
      <translation>Zahlen der abgelehnten Anpassung: ihnen ist nicht zu trauen.</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Zoom to</source>
      <translation>Hinzoomen</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Leave out</source>
      <translation>Weglassen</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Refit and warp again</source>
      <translation>Neu anpassen und entzerren</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Fit the points in use, and write the raster anew. Nothing is matched again.</source>
      <translation>Die genutzten Punkte anpassen und das Raster neu schreiben. Es wird nichts neu gesucht.</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Report</source>
      <translation>Bericht</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Open the report in the browser</source>
      <translation>Den Bericht im Browser öffnen</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>To Georeferencer…</source>
      <translation>Zur Georeferenzierung…</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Write the tie points as .points for QGIS' Georeferencer</source>
      <translation>Die Verknüpfungspunkte als .points für die Georeferenzierung von QGIS schreiben</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Swipe</source>
      <translation>Vorhang</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Flicker</source>
      <translation>Blinken</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Move the mouse over the map: before left, after right</source>
      <translation>Die Maus über die Karte bewegen: links vorher, rechts nachher</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Show before and after in turns</source>
      <translation>Vorher und nachher im Wechsel zeigen</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Choose two layers under 'Align' and press Align.</source>
      <translation>Unter „Ausrichten“ zwei Layer wählen und auf Ausrichten drücken.</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>Nothing was aligned yet.</source>
      <translation>Noch wurde nichts ausgerichtet.</translation>
    </message>
    <message>
      <location filename="../gui/results.py" />
      <source>{used} in use, {out} left out</source>
      <translation>{used} genutzt, {out} weggelassen</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>Shows</source>
      <translation>Zeigt</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>Bands</source>
      <translation>Bänder</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>Set Layer CRS</source>
      <translation>Layer-KBS setzen</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>Additional no data value</source>
      <translation>Zusätzlicher Leerwert</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>No coordinates: look everywhere</source>
      <translation>Ohne Koordinaten: überall suchen</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>Error at tie points that the fit didn't know (root mean square), in pixels of the reference and on the ground. It is measured, but not against the true ground: errors of the reference aren't in it.</source>
      <translation>Fehler an Verknüpfungspunkten, die die Anpassung nicht kannte (quadratisches Mittel), in Pixeln der Referenz und am Boden. Gemessen wird gegen die Referenz: Deren eigene Fehler sind nicht darin.</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>90 % of these errors are smaller.</source>
      <translation>90 % dieser Fehler sind kleiner.</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>How far off the layer was, at the tie points (root mean square).</source>
      <translation>Wie weit der Layer danebenlag, an den Verknüpfungspunkten (quadratisches Mittel).</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>What moves the layer: the simplest one that predicts well, or your choice.</source>
      <translation>Was den Layer bewegt: die einfachste, die gut vorhersagt, oder die gewählte.</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>Places that were recognised in both layers. Those that don't agree with the others were left aside.</source>
      <translation>Stellen, die in beiden Layern wiedererkannt wurden. Was nicht zu den anderen passt, blieb unbeachtet.</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>Share of what both layers show that has tie points nearby. Elsewhere the fit is carried on, and may be worse.</source>
      <translation>Anteil dessen, was beide Layer zeigen, in dessen Nähe Verknüpfungspunkte liegen. Anderswo wird die Anpassung fortgesetzt und kann schlechter sein.</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>No trustworthy alignment: nothing was written.</source>
      <translation>Keine vertrauenswürdige Ausrichtung: nichts wurde geschrieben.</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>Aligned: placed by what it shows.</source>
      <translation>Ausgerichtet: gefunden durch das, was er zeigt.</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>Aligned: moved by {px} px.</source>
      <translation>Ausgerichtet: um {px} px bewegt.</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>Already aligned within {px} px.</source>
      <translation>Schon ausgerichtet, auf {px} px.</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>Off before</source>
      <translation>Fehler vorher</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>{inliers} of {count} agree</source>
      <translation>{inliers} von {count} stimmen</translation>
    </message>
    <message>
      <location filename="../gui/sentences.py" />
      <source>Coverage</source>
      <translation>Abdeckung</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>NVIDIA GPU, CUDA ({gb:.1f} GB)</source>
      <translation>NVIDIA-GPU, CUDA ({gb:.1f} GB)</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>Set up the georeg engine</source>
      <translation>Rechenprogramm georeg einrichten</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>georeg computes in a Python of its own, beside QGIS. Nothing is downloaded or installed before you press Install.</source>
      <translation>georeg rechnet in einem eigenen Python neben QGIS. Nichts wird geladen oder installiert, bevor Sie auf Installieren drücken.</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>Use it</source>
      <translation>Verwenden</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>only for sites without network</source>
      <translation>nur für Rechner ohne Netz</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>A name, a wheel, or a folder of georeg's source</source>
      <translation>Ein Name, ein Wheel oder ein Ordner mit dem Quelltext von georeg</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>Install</source>
      <translation>Installieren</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>A Python that has georeg already</source>
      <translation>Ein Python, das georeg schon hat</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>Or a new environment</source>
      <translation>Oder eine neue Umgebung</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>Folder</source>
      <translation>Ordner</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>Made by</source>
      <translation>Angelegt mit</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>Base Python</source>
      <translation>Grundlage (Python)</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>PyTorch for</source>
      <translation>PyTorch für</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>Folder of wheels</source>
      <translation>Ordner mit Wheels</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>Package</source>
      <translation>Paket</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>Installing the georeg engine</source>
      <translation>Rechenprogramm georeg wird installiert</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>uv is not installed on this computer</source>
      <translation>uv ist auf diesem Rechner nicht installiert</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>CPU ({gb:.1f} GB)</source>
      <translation>CPU ({gb:.1f} GB)</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>What would be done:</source>
      <translation>Was geschehen würde:</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>Asking {path}</source>
      <translation>{path} wird gefragt</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>Not possible: {why}</source>
      <translation>Nicht möglich: {why}</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>That did not work:</source>
      <translation>Das hat nicht geklappt:</translation>
    </message>
    <message>
      <location filename="../gui/setup_dialog.py" />
      <source>The engine is ready: georeg {version}.</source>
      <translation>Das Rechenprogramm ist bereit: georeg {version}.</translation>
    </message>
    <message>
      <location filename="../gui/side.py" />
      <source>Layer</source>
      <translation>Layer</translation>
    </message>
    <message>
      <location filename="../gui/tasks.py" />
      <source>The algorithm ended without a result.</source>
      <translation>Der Algorithmus endete ohne Ergebnis.</translation>
    </message>
    <message>
      <location filename="../layers.py" />
      <source>Save it as a GeoTIFF first (Layer &gt; Save As...), and use that.</source>
      <translation>Speichern Sie ihn zuerst als GeoTIFF (Layer &gt; Speichern als...), und nehmen Sie den.</translation>
    </message>
    <message>
      <location filename="../layers.py" />
      <source>{name}: its additional no data values don't count. The engine takes one value, the same for all bands, where the file has none of its own. If they matter, save it as a GeoTIFF with them first (Layer &gt; Save As...).</source>
      <translation>{name}: Die zusätzlichen Leerwerte zählen nicht. Das Rechenprogramm nimmt einen Wert, denselben für alle Kanäle, wo die Datei keinen eigenen hat. Wenn es auf sie ankommt, speichern Sie den Layer vorher mit ihnen als GeoTIFF (Layer &gt; Speichern als...).</translation>
    </message>
    <message>
      <location filename="../layers.py" />
      <source>{name} comes from a web service ({kind}): it has pictures, but no pixels to work with.</source>
      <translation>{name} kommt von einem Webdienst ({kind}): Der hat Bilder, aber keine Pixel zum Rechnen.</translation>
    </message>
    <message>
      <location filename="../layers.py" />
      <source>{what}: choose a raster layer.</source>
      <translation>{what}: einen Rasterlayer wählen.</translation>
    </message>
    <message>
      <location filename="../layers.py" />
      <source>{name} is no raster layer.</source>
      <translation>{name} ist kein Rasterlayer.</translation>
    </message>
    <message>
      <location filename="../layers.py" />
      <source>{name}: its data source can't be opened. Repair the layer first.</source>
      <translation>{name}: Die Datenquelle lässt sich nicht öffnen. Den Layer erst reparieren.</translation>
    </message>
    <message>
      <location filename="../layers.py" />
      <source>{name}: the file {file} is gone.</source>
      <translation>{name}: Die Datei {file} gibt es nicht mehr.</translation>
    </message>
    <message>
      <location filename="../layers.py" />
      <source>{name} is a virtual raster that only QGIS knows.</source>
      <translation>{name} ist ein virtuelles Raster, das nur QGIS kennt.</translation>
    </message>
    <message>
      <location filename="../layers.py" />
      <source>{name} lies in a database.</source>
      <translation>{name} liegt in einer Datenbank.</translation>
    </message>
    <message>
      <location filename="../layers.py" />
      <source>{name} exists in QGIS' memory only.</source>
      <translation>{name} gibt es nur im Speicher von QGIS.</translation>
    </message>
    <message>
      <location filename="../plugin.py" />
      <source>Align raster layers (georeg)</source>
      <translation>Rasterlayer ausrichten (georeg)</translation>
    </message>
  </context>
</TS>
